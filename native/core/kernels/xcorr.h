// Depthwise cross-correlation, forward and backward, planar (NCHW) and interleaved (NHWC).
//
// Why our own: as a grouped convolution of N*C groups it is all overhead (one tiny GEMM or a naive loop a group), above all backward.
#pragma once

#include <cstdint>

#include "simd.h"

namespace siam::kernels {

/// Sizes of one correlation: x [N,C,H,W], k [N,C,h,w], out [N,C,oh,ow] with oh = H-h+1, ow = W-w+1.
struct XcorrSizes {
  int64_t C, H, W, h, w, oh, ow;
};

constexpr int64_t kXcorrLanes = 16;

/// Chunks of channels of one interleaved image: what threads share out, so that a single image uses them all.
inline int64_t xcorr_chunks(const XcorrSizes& s) { return (s.C + kXcorrLanes - 1) / kXcorrLanes; }

// Planar: planes [begin, end) of N*C. `out`, `dx`, `dk` are overwritten.
void xcorr_planar(const float* x, const float* k, float* out, const XcorrSizes& s, int64_t begin, int64_t end);
void xcorr_planar(const Bf16* x, const Bf16* k, Bf16* out, const XcorrSizes& s, int64_t begin, int64_t end);
void xcorr_grad_planar(const float* x, const float* k, const float* dout, float* dx, float* dk, const XcorrSizes& s, int64_t begin, int64_t end);
void xcorr_grad_planar(const Bf16* x, const Bf16* k, const Bf16* dout, Bf16* dx, Bf16* dk, const XcorrSizes& s, int64_t begin, int64_t end);

// Interleaved, forward: chunks of channels [begin, end) of N * xcorr_chunks().
void xcorr_rows(const float* x, const float* k, float* out, const XcorrSizes& s, int64_t begin, int64_t end);
void xcorr_rows(const Bf16* x, const Bf16* k, Bf16* out, const XcorrSizes& s, int64_t begin, int64_t end);
// Interleaved, backward: images [begin, end) of N.
void xcorr_grad_rows(const float* x, const float* k, const float* dout, float* dx, float* dk, const XcorrSizes& s, int64_t begin, int64_t end);
void xcorr_grad_rows(const Bf16* x, const Bf16* k, const Bf16* dout, Bf16* dx, Bf16* dk, const XcorrSizes& s, int64_t begin, int64_t end);

}  // namespace siam::kernels
