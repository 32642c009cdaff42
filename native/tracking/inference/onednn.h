// oneDNN's convolutions with weights in its own layout, through libtorch's dispatcher: they have no C++ header.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "activation.h"
#include "folded_conv.h"

namespace siam::tracking::inference::onednn {

bool available();
/// Whether bfloat16 products are faster than float32 ones here: with AMX, and on AMD. Intel's AVX-512 alone does half as many.
bool fast_bf16();

/// @param weight [O,I/groups,h,w] float32 or bfloat16     @returns it as run() takes it
at::Tensor pack(const at::Tensor& weight, const ConvOptions& options);
/// @param x of the weight's dtype     @param bias of it, too
at::Tensor run(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& bias, const ConvOptions& options);

/// Weights as bytes with a scale for each output.
struct ByteWeights {
  at::Tensor packed;
  at::Tensor scales, zeros;  ///< [O] float32, int32
  at::Tensor sums;           ///< [O] float32, of each output's weights: what the image's zero adds
  int32_t zero = 0;          ///< of the images that it was packed for
};
ByteWeights pack_bytes(const FoldedConv& conv, int32_t zero);
/// The largest byte of a weight whose products add up exactly here: 127, or 64 where pairs of them are summed in 16 bits, which then saturate
/// (x86 without VNNI: 2 · 255 · 127 is more than 32767). Found out by trying, once.
int weight_byte();
/// @param out  scale of the output's bytes, or nothing for float32
at::Tensor run_bytes(const Activation& x, const ByteWeights& weights, const at::Tensor& bias, const ConvOptions& options, const std::optional<ByteScale>& out);

}  // namespace siam::tracking::inference::onednn
