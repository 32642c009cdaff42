#include "file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "descriptor.h"

namespace siam::data {

void FailToRead(const std::string& path, int error) {
  const std::string what = std::string("cannot read it: ") + std::strerror(error);
  if (error == EMFILE) throw FileError(error, "ERR_SETUP", what + "; the process has as many files open as it may (ulimit -n)", path);
  if (error == ENFILE || error == ENOMEM) throw FileError(error, "ERR_SETUP", what + "; the system has none left", path);
  throw FileError(error, "ERR_IO", what, path);
}

size_t ReadFile(const std::string& path, std::vector<uint8_t>& buffer) {
  // O_NONBLOCK: a FIFO that someone put in place of a frame must not hang the loader; regular files ignore it.
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) FailToRead(path, errno);
  struct stat status {};
  if (fstat(file.fd, &status) != 0) FailToRead(path, errno);
  if (!S_ISREG(status.st_mode)) throw FileError(EISDIR, "ERR_IO", "Expected a regular file", path);
  const size_t expected = static_cast<size_t>(status.st_size);
  if (buffer.size() < expected + 1) buffer.resize(expected + 1);
  size_t have = 0;
  // One byte beyond the size that stat gave is asked for, so that a file that grew meanwhile is noticed.
  for (;;) {
    const ssize_t got = read(file.fd, buffer.data() + have, buffer.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) FailToRead(path, errno);
    if (got == 0) return have;
    have += static_cast<size_t>(got);
    if (have == buffer.size()) buffer.resize(buffer.size() * 2);
  }
}

}  // namespace siam::data
