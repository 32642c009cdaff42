// The one exception that crosses our layers. No dependency, so that core, data and tracking can all throw it.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace siam {

/// An error with one of the codes of lib/errors.ts; native/binding turns it into a SiamError.
class SiamException : public std::runtime_error {
 public:
  SiamException(std::string code, const std::string& message, std::string file = "")
      : std::runtime_error(message), code_(std::move(code)), file_(std::move(file)) {}

  const std::string& code() const noexcept { return code_; }
  /// The file that the error is about, or empty.
  const std::string& file() const noexcept { return file_; }

 private:
  std::string code_;
  std::string file_;
};

}  // namespace siam
