// Inverse DCTs to fewer samples than a block has: each is the mean of the samples that it stands for. The eight points of a row (then
// of a column) go to four or two in one step, which is what averaging comes to when it is done on the transform's factors.
#pragma once

#include <cstddef>
#include <cstdint>

namespace siam::data::jpeg {

// Factors of 13 bits, √2·cos(kπ/16)·cos((2i+1)kπ/8), by index k of the frequency and i of the sample. The samples behind the middle
// have the odd ones' signs turned; k = 4 falls out.
constexpr int kHalfEven2 = 7568, kHalfEven6 = -3135;                                          // turned for i = 1
constexpr int kHalf0Of1 = 10498, kHalf0Of3 = 3686, kHalf0Of5 = -2463, kHalf0Of7 = -2088;      // i = 0
constexpr int kHalf1Of1 = 4348, kHalf1Of3 = -8900, kHalf1Of5 = 5946, kHalf1Of7 = -865;        // i = 1

/// To two points: only odd frequencies differ between the halves.
constexpr int kQuarter1 = 7423, kQuarter3 = -2607, kQuarter5 = 1742, kQuarter7 = -1477;

// The bodies of the entries of these names in the table of kernels.h.
void IdctTo4x4Portable(int16_t* coefficients, const uint16_t* quant, uint8_t* out, ptrdiff_t stride);
void IdctTo2x2Portable(int16_t* coefficients, const uint16_t* quant, uint8_t* out, ptrdiff_t stride);

/// A transform to blocks of width × height samples, both of 8, 4, 2 and 1, on this CPU's kernels: the same bits on every CPU.
/// Takes and leaves the coefficients as Kernels::idct does.     @returns nullptr for sizes that differ by more than a factor of two
using BlockTransform = void (*)(int16_t* coefficients, const uint16_t* quant, uint8_t* out, ptrdiff_t stride);
BlockTransform TransformTo(int width, int height);

}  // namespace siam::data::jpeg
