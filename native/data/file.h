// Whole small files into reused memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "../base/error.h"

namespace siam::data {

/// The system's reason why a file cannot be read.
class FileError : public SiamException {
 public:
  FileError(int number, const char* code, const std::string& message, const std::string& file) : SiamException(code, message, file), number_(number) {}
  /// As in <cerrno>.
  int number() const noexcept { return number_; }

 private:
  int number_;
};

/// Throws for a file that could not be opened or read.
/// @param error  the errno     @throws FileError: ERR_IO with the reason; ERR_SETUP where the system has no descriptors or memory left, which
///               says nothing about the file: taken for a bad frame it would have a training replace one good sample after the other
[[noreturn]] void FailToRead(const std::string& path, int error);

/// Reads a file.
/// @param buffer  grown as needed, never shrunk     @returns the number of bytes     @throws FileError (see FailToRead)
size_t ReadFile(const std::string& path, std::vector<uint8_t>& buffer);

}  // namespace siam::data
