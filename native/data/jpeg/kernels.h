// The loops of our JPEG decoder over samples. Each gives bit by bit what libjpeg-turbo's accurate decoder gives (jidctint, fancy
// upsampling, its colour tables), also for coefficients that no encoder writes: its SIMD code is what x86 machines run.
#pragma once

#include <cstddef>
#include <cstdint>

namespace siam::data::jpeg {

/// Columns that a chroma row must have readable, and holds the neighbours' values in, before its first and behind its last sample. At
/// the picture's edges these are copies of the edge sample: that is what the special cases of libjpeg's upsampling come to.
constexpr int kRowMargin = 1;

/// Bytes that any row may be read or written beyond its end.
constexpr int kRowSlack = 64;

/// Chroma rows of this many samples or fewer are repeated by libjpeg, not filtered, where a pixel row is twice as wide (4:2:2, 4:2:0); such
/// pictures are left to it.
constexpr int kTooNarrowToFilter = 2;

/// Where a block's coefficient of this row and column (both 0–7) lies among its 64, and its quantisation among those. The transform takes
/// inputs in pairs, 0 and 4, 2 and 6, 1 and 7, 5 and 3, of rows as of columns; stored so, no vector has to be put in order for it. The
/// entropy decoder places coefficients through a table anyway.
constexpr int CoefficientPlace(int row, int column) {
  constexpr int turn[8] = {0, 4, 2, 7, 1, 6, 3, 5};
  return turn[row] / 2 * 16 + turn[column] * 2 + turn[row] % 2;
}

/// A block whose last coefficient has at most this zigzag index has none outside of its first four rows and columns.
constexpr int kLastOf4x4 = 9;

struct Kernels {
  const char* name;

  /// Inverse DCT of a block. @param coefficients [64] as CoefficientPlace says, not yet dequantised     @param quant [64] placed alike
  /// @param out 8 rows of 8 samples
  /// Leaves the coefficients zero, for the next block: while they are in registers that costs next to nothing.
  void (*idct)(int16_t* coefficients, const uint16_t* quant, uint8_t* out, ptrdiff_t stride);

  /// The same, faster, for a block with zeros outside of its first four rows and columns.
  void (*idct_4x4)(int16_t* coefficients, const uint16_t* quant, uint8_t* out, ptrdiff_t stride);

  /// The same for a block with nothing but its DC coefficient.
  void (*idct_dc)(int16_t dc, uint16_t quant, uint8_t* out, ptrdiff_t stride);

  /// 4:2:2: one chroma row to twice its width. @param out [2·count]
  void (*upsample_h2v1)(const uint8_t* in, int count, uint8_t* out);

  /// 4:2:0: two chroma rows, of which `near` weighs three, to one row of twice the width. @param out [2·count]
  void (*upsample_h2v2)(const uint8_t* near, const uint8_t* far, int count, uint8_t* out);

  /// 4:4:0: two chroma rows to one. `lower`: `far` is the row below (libjpeg's rounding differs).
  void (*upsample_h1v2)(const uint8_t* near, const uint8_t* far, bool lower, int count, uint8_t* out);

  // To interleaved BGR, of which 3·count bytes are written and none beyond, from chroma at the luma's size (ycc), or at half its width
  // (h2v1) or half both (h2v2) through the upsampling above. @param count  pixels, the first one on an even column
  void (*ycc_to_bgr)(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, int count, uint8_t* bgr);
  void (*h2v1_to_bgr)(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, int count, uint8_t* bgr);
  void (*h2v2_to_bgr)(const uint8_t* y, const uint8_t* cb_near, const uint8_t* cb_far, const uint8_t* cr_near, const uint8_t* cr_far, int count, uint8_t* bgr);

  // Add up what these would write, without writing it: for the mean colour of a frame. sums[3]: B, G, R
  void (*ycc_add_bgr)(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, int count, uint64_t* sums);
  void (*h2v1_add_bgr)(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, int count, uint64_t* sums);
  void (*h2v2_add_bgr)(const uint8_t* y, const uint8_t* cb_near, const uint8_t* cb_far, const uint8_t* cr_near, const uint8_t* cr_far, int count, uint64_t* sums);

  /// Gray to BGR, 3·count bytes.
  void (*gray_to_bgr)(const uint8_t* y, int count, uint8_t* bgr);

  // Inverse DCT of a block to 4×4 or 2×2 samples, each the mean of those that it stands for; otherwise as `idct`, rounding apart, and not
  // after libjpeg.
  void (*idct_to_4x4)(int16_t* coefficients, const uint16_t* quant, uint8_t* out, ptrdiff_t stride);
  void (*idct_to_2x2)(int16_t* coefficients, const uint16_t* quant, uint8_t* out, ptrdiff_t stride);
};

/// The fastest table that this CPU runs.
const Kernels& KernelsOfThisCpu();

/// The portable table.
const Kernels& PortableKernels();

}  // namespace siam::data::jpeg
