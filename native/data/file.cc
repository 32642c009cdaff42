#include "file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "descriptor.h"

namespace siam::data {
namespace {

[[noreturn]] void Fail(const std::string& path, int error) {
  throw FileError(error, std::string("cannot read it: ") + std::strerror(error), path);
}

}  // namespace

size_t ReadFile(const std::string& path, std::vector<uint8_t>& buffer) {
  // O_NONBLOCK: a FIFO that someone put in place of a frame must not hang the loader; regular files ignore it.
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) Fail(path, errno);
  struct stat status {};
  if (fstat(file.fd, &status) != 0) Fail(path, errno);
  if (!S_ISREG(status.st_mode)) throw FileError(EISDIR, "Expected a regular file", path);
  const size_t expected = static_cast<size_t>(status.st_size);
  if (buffer.size() < expected + 1) buffer.resize(expected + 1);
  size_t have = 0;
  // One byte beyond the size that stat gave is asked for, so that a file that grew meanwhile is noticed.
  for (;;) {
    const ssize_t got = read(file.fd, buffer.data() + have, buffer.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) Fail(path, errno);
    if (got == 0) return have;
    have += static_cast<size_t>(got);
    if (have == buffer.size()) buffer.resize(buffer.size() * 2);
  }
}

}  // namespace siam::data
