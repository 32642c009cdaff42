#include "bad_frame.h"

#include <cerrno>

#include "../file.h"

namespace siam::data {

bool IsFramesFault(const SiamException& error) {
  if (error.code() == "ERR_DATA") return true;
  const auto* of_file = dynamic_cast<const FileError*>(&error);
  if (of_file == nullptr) return false;
  switch (of_file->number()) {
    case ENOENT:
    case EACCES:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
      return true;
    default:
      return false;
  }
}

}  // namespace siam::data
