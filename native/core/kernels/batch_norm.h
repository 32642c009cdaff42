// Batch normalisation with the ReLU behind it, forward and backward, planar (NCHW) and interleaved (NHWC).
//
// Why our own: torch's CPU BatchNorm in training sums naively in float32 for channels_last (about 100 times less accurate), and BatchNorm
// and ReLU as separate operations read and write the activations three more times. Sums here are float64, in an order that does not
// depend on the number of threads, so results are bit-identical at any.
//
// Callers split work over channels (planar) or over row blocks (interleaved).
#pragma once

#include <cstdint>

#include "simd.h"

namespace siam::kernels {

/// Rows that one partial sum of the interleaved reductions covers: fixed, so that the order of summation is.
constexpr int64_t kRowsPerBlock = 1024;

// --- sums for the statistics: sum[c] = Σ x, square_sum[c] = Σ x² ------------------------------------------------------------------------
void bn_sums_planar(const float* x, int64_t N, int64_t C, int64_t P, int64_t c_begin, int64_t c_end, double* sum, double* square_sum);
void bn_sums_planar(const Bf16* x, int64_t N, int64_t C, int64_t P, int64_t c_begin, int64_t c_end, double* sum, double* square_sum);
/// sum, square_sum: [C] of this block alone.
void bn_sums_rows(const float* x, int64_t C, int64_t row_begin, int64_t row_end, double* sum, double* square_sum);
void bn_sums_rows(const Bf16* x, int64_t C, int64_t row_begin, int64_t row_end, double* sum, double* square_sum);

// --- y = relu?(x * scale[c] + shift[c]) ---------------------------------------------------------------------------------------------------
void bn_apply_planar(const float* x, float* y, int64_t N, int64_t C, int64_t P, int64_t c_begin, int64_t c_end, const float* scale, const float* shift, bool relu);
void bn_apply_planar(const Bf16* x, Bf16* y, int64_t N, int64_t C, int64_t P, int64_t c_begin, int64_t c_end, const float* scale, const float* shift, bool relu);
void bn_apply_rows(const float* x, float* y, int64_t C, int64_t row_begin, int64_t row_end, const float* scale, const float* shift, bool relu);
void bn_apply_rows(const Bf16* x, Bf16* y, int64_t C, int64_t row_begin, int64_t row_end, const float* scale, const float* shift, bool relu);

// --- backward sums: g = dy where relu passed, sum_g[c] = Σ g, sum_gx[c] = Σ g (x - mean[c]) -----------------------------------------------
struct BnGradInputs {
  const float* scale;  // as in the forward pass: they decide where the ReLU passed
  const float* shift;
  const float* mean;
  bool relu;
};
void bn_grad_sums_planar(const float* dy, const float* x, int64_t N, int64_t C, int64_t P, int64_t c_begin, int64_t c_end, const BnGradInputs& in, double* sum_g, double* sum_gx);
void bn_grad_sums_planar(const Bf16* dy, const Bf16* x, int64_t N, int64_t C, int64_t P, int64_t c_begin, int64_t c_end, const BnGradInputs& in, double* sum_g, double* sum_gx);
void bn_grad_sums_rows(const float* dy, const float* x, int64_t C, int64_t row_begin, int64_t row_end, const BnGradInputs& in, double* sum_g, double* sum_gx);
void bn_grad_sums_rows(const Bf16* dy, const Bf16* x, int64_t C, int64_t row_begin, int64_t row_end, const BnGradInputs& in, double* sum_g, double* sum_gx);

// --- dx = a[c] g + b[c] x + c0[c] ---------------------------------------------------------------------------------------------------------
struct BnGradCoefficients {
  const float* a;
  const float* b;
  const float* c0;
};
void bn_grad_apply_planar(const float* dy, const float* x, float* dx, int64_t N, int64_t C, int64_t P, int64_t c_begin, int64_t c_end, const BnGradInputs& in, const BnGradCoefficients& k);
void bn_grad_apply_planar(const Bf16* dy, const Bf16* x, Bf16* dx, int64_t N, int64_t C, int64_t P, int64_t c_begin, int64_t c_end, const BnGradInputs& in, const BnGradCoefficients& k);
void bn_grad_apply_rows(const float* dy, const float* x, float* dx, int64_t C, int64_t row_begin, int64_t row_end, const BnGradInputs& in, const BnGradCoefficients& k);
void bn_grad_apply_rows(const Bf16* dy, const Bf16* x, Bf16* dx, int64_t C, int64_t row_begin, int64_t row_end, const BnGradInputs& in, const BnGradCoefficients& k);

}  // namespace siam::kernels
