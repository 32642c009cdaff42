// What lies between the convolutions when a network only runs: pooling, bytes to numbers and back, the head's last layer. Interleaved (NHWC).
//
// A byte q stands for scale · (q − zero).
#pragma once

#include <cstdint>

#include "simd.h"

namespace siam::kernels {

struct PoolSizes {
  int64_t H, W, C, OH, OW;
  int64_t stride, pad;
};

/// Maximum over 3×3, windows cut at the border. Rows [begin, end) of N * OH.
void max_pool_rows(const float* x, float* out, const PoolSizes& s, int64_t begin, int64_t end);
void max_pool_rows(const uint8_t* x, uint8_t* out, const PoolSizes& s, int64_t begin, int64_t end);
/// Mean over 3×3, stride 1, a border of zeros (bytes whose zero is 0) that counts. Rows [begin, end) of N * OH.
void mean_pool_rows(const float* x, float* out, const PoolSizes& s, int64_t begin, int64_t end);
void mean_pool_rows(const uint8_t* x, uint8_t* out, const PoolSizes& s, int64_t begin, int64_t end);

/// An image's bytes less an offset of each channel; `swap` exchanges the first and the third. Pixels [begin, end).
void image_to_float(const uint8_t* image, float* out, const float offsets[3], bool swap, int64_t begin, int64_t end);

struct ByteScale {
  float scale;
  int32_t zero;
};

/// Round to nearest, saturate. Elements [begin, end).
void to_bytes(const float* x, uint8_t* out, ByteScale as, int64_t begin, int64_t end);
void from_bytes(const uint8_t* x, float* out, ByteScale as, int64_t begin, int64_t end);

/// Smallest and largest of [begin, end), widening what is in `low` and `high`.
void widen_range(const float* x, int64_t begin, int64_t end, float& low, float& high);

/// out [rows, outputs] = x [rows, C] · w [outputs, C] + bias. Rows [begin, end).
void dense_rows(const float* x, const float* w, const float* bias, float* out, int64_t C, int64_t outputs, int64_t begin, int64_t end);

}  // namespace siam::kernels
