// Whole small files into reused memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "../base/error.h"

namespace siam::data {

/// ERR_IO with the system's reason.
class FileError : public SiamException {
 public:
  FileError(int number, const std::string& message, const std::string& file) : SiamException("ERR_IO", message, file), number_(number) {}
  /// As in <cerrno>.
  int number() const noexcept { return number_; }

 private:
  int number_;
};

/// Reads a file.
/// @param buffer  grown as needed, never shrunk     @returns the number of bytes     @throws FileError
size_t ReadFile(const std::string& path, std::vector<uint8_t>& buffer);

}  // namespace siam::data
