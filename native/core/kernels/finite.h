// Whether numbers are finite: one pass that only reads.
#pragma once

#include <cstdint>

namespace siam::kernels {

/// Whether none of [begin, end) is NaN or infinite.
bool all_finite(const float* x, int64_t begin, int64_t end);

}  // namespace siam::kernels
