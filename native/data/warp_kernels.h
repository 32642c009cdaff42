// The inner loops of warp.cc and image.cc: portable, for AVX2 and for AVX-512; all give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace siam::data {

/// A source row resampled to a crop's columns: three planes of floats (B, G, R), `plane` apart, each with room for kColumnSlack more than it has columns.
struct FloatRow {
  float* values = nullptr;
  size_t plane = 0;
};

constexpr int kColumnSlack = 16;

/// Taps of the columns whose two taps, and the bytes read beyond them, lie in the row: [begin, end) of the crop.
struct ColumnTaps {
  int begin = 0;
  int end = 0;
  std::vector<int32_t> left;   ///< of each column of the crop
  std::vector<float> weight;   ///< of left + 1; kColumnSlack more
  std::vector<uint8_t> order;  ///< what a kernel's plan makes of `left`: 64 bytes for each block of 16 columns

  /// Pixels that a kernel may read from a left tap on.
  static constexpr int kReadAhead = 2;
};

struct PixelKernelTable {
  const char* name;

  /// Prepares `order`, once a crop. Null where nothing is to be prepared.
  void (*plan)(ColumnTaps& taps);

  /// values = p + w·(q − p) for the columns [begin, end), p and q the pixels at left and left + 1. May write kColumnSlack columns beyond `end`.
  /// @param row  the source row, offset so that column 0 is the picture's
  void (*sample_row)(const uint8_t* row, const ColumnTaps& taps, FloatRow out);

  /// out = rint(a + w·(b − a)), to three planes.
  void (*blend_planar)(FloatRow a, FloatRow b, float w, int count, uint8_t* plane_b, uint8_t* plane_g, uint8_t* plane_r);

  /// Adds the channels of `pixels` BGR pixels to sums[3].
  void (*add_channels)(const uint8_t* bgr, size_t pixels, uint64_t* sums);
};

/// The same as blend_planar, interleaved, by way of it.
void BlendInterleaved(const PixelKernelTable& kernels, FloatRow a, FloatRow b, float w, int count, uint8_t* out);

/// The fastest table that this CPU runs, unless UsePixelKernels() chose another one. Any thread.
const PixelKernelTable& PixelKernelsOfThisCpu();

/// Tables that this CPU runs, the fastest first.
std::vector<const PixelKernelTable*> AllPixelKernels();

/// For tests: the table of that name from now on, "" the fastest.     @returns false where this CPU has none of that name
bool UsePixelKernels(const char* name);

/// The tables of instruction sets; null where this build or CPU lacks them.
const PixelKernelTable* Avx2PixelKernels();
const PixelKernelTable* Avx512PixelKernels();

/// The portable loops, for what vectors leave over.
void SampleColumnsPortable(const uint8_t* row, const ColumnTaps& taps, int begin, int end, FloatRow out);
void BlendPlanarPortable(FloatRow a, FloatRow b, float w, int count, uint8_t* plane_b, uint8_t* plane_g, uint8_t* plane_r);
void AddChannelsPortable(const uint8_t* bgr, size_t pixels, uint64_t* sums);

}  // namespace siam::data
