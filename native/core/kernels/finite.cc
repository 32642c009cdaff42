#include "finite.h"

#include <algorithm>
#include <cstring>

#include "simd.h"

namespace siam::kernels {

namespace {

SIAM_INLINE bool any_nonfinite(const float* x, int64_t n) {
  constexpr uint32_t exponent = 0x7f800000u;
  uint32_t found = 0;
  for (int64_t i = 0; i < n; i++) {
    uint32_t bits;
    std::memcpy(&bits, x + i, sizeof bits);
    found |= static_cast<uint32_t>((bits & exponent) == exponent);
  }
  return found != 0;
}

}  // namespace

SIAM_CLONES bool all_finite(const float* x, int64_t begin, int64_t end) {
  // In blocks, so that a bad gradient is told soon and the loop inside has no branch.
  constexpr int64_t block = 4096;
  for (int64_t i = begin; i < end; i += block) {
    if (any_nonfinite(x + i, std::min(block, end - i))) return false;
  }
  return true;
}

}  // namespace siam::kernels
