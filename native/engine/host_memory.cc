#include "host_memory.h"

#include <climits>
#include <mutex>

#if defined(__GLIBC__)  // known once a standard header was read
#include <malloc.h>
#endif

namespace siam::engine {

void keep_big_blocks() {
#if defined(__GLIBC__)
  static std::once_flag once;
  std::call_once(once, [] {
    mallopt(M_MMAP_THRESHOLD, INT_MAX);
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    mallopt(M_TOP_PAD, 64 << 20);
  });
#endif
}

}  // namespace siam::engine
