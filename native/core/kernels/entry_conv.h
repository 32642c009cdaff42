// The first convolution of a network in 16-bit words: an image of 3 channels and whole numbers from 0 to 255, interleaved, no padding.
//
// Why our own: a row of the kernel is one run of r·3 neighbouring values, so that 3 channels are no waste; words because AVX-512 VNNI multiplies
// twice as many of them as float32, and bytes times 15-bit weights are exact (sums of up to 512 products stay below 2³¹).
#pragma once

#include <cstdint>

namespace siam::kernels {

constexpr int64_t kEntryBlock = 32;
/// More products to a sum than this could overflow.
constexpr int64_t kEntryProducts = 512;

/// image [N,H,W,3] → out [N,OH,OW,O], kernels r×r. O is a multiple of kEntryBlock.
struct EntryShape {
  int64_t N, H, W, OH, OW, O, r, stride;
  int64_t pairs() const { return (3 * r + 1) / 2; }  ///< of words in a row of the kernel
};

/// Whether this processor has AVX-512 with VNNI.
bool entry_available();

/// @param w [O,3,r,r]     @param packed [O/32][r][pairs][32][2]     @param scales [O] of a word's unit
void entry_pack(const float* w, int64_t O, int64_t r, int16_t* packed, float* scales);

/// An image's row may be read one value beyond its end.
constexpr int64_t kEntrySlack = 2;
/// Whole numbers → words. Elements [begin, end).
void entry_words(const float* image, int16_t* words, int64_t begin, int64_t end);

/// Output rows [begin, end) of N * OH.
void entry_rows(const int16_t* image, const int16_t* packed, const float* scales, const float* bias, bool relu, const EntryShape& s, int64_t begin, int64_t end, float* out);

}  // namespace siam::kernels
