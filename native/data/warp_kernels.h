// The inner loops of warp.cc and image.cc, once portable and once for AVX2; both give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace siam::data {

struct PixelKernelTable {
  const char* name;

  /// Horizontal taps of output columns [begin, end): out[4i+c] = p + w·(q − p), p and q the pixels at left[i] and left[i] + 1.
  /// @param row  the source row, offset so that column 0 is the frame's; eight bytes from each left tap must be readable
  void (*sample_row)(const uint8_t* row, const int32_t* left, const float* weight4, int begin, int end, float* out);

  /// out = rint(a + w·(b − a)) for `count` columns of four floats, to three planes.
  void (*blend_planar)(const float* a, const float* b, float w, int count, uint8_t* plane_b, uint8_t* plane_g, uint8_t* plane_r);

  /// The same, interleaved.
  void (*blend_interleaved)(const float* a, const float* b, float w, int count, uint8_t* out);

  /// Adds the channels of `pixels` BGR pixels to sums[3].
  void (*add_channels)(const uint8_t* bgr, size_t pixels, uint64_t* sums);
};

/// The fastest table that this CPU runs.
const PixelKernelTable& PixelKernelsOfThisCpu();

/// The portable table, for tests.
const PixelKernelTable& PortablePixelKernels();

}  // namespace siam::data
