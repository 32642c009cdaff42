// A file descriptor that closes itself.
#pragma once

#include <unistd.h>

namespace siam::data {

/// Owns what open() gave, an error (below 0) included.
struct Descriptor {
  explicit Descriptor(int opened) : fd(opened) {}
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  const int fd;
};

}  // namespace siam::data
