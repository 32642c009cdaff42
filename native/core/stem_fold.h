// The first convolution on a GPU in half precision: three channels fill no tensor core (measured on an H100, AlexNet at batch 128: cuDNN's
// kernels for it take 8 ms of a 45 ms step, some fifteen times what their arithmetic needs). So 2×2 pixels become one of 12 channels, 16 with zeros, and a
// convolution of stride 2 becomes one of stride 1 over half as many cells, with the same products.
#pragma once

#include <ATen/ATen.h>

namespace siam::core {

constexpr int64_t kFoldedChannels = 16;

/// @param image [N,3,H,W], any dtype
/// @returns [N,16,⌈H/2⌉,⌈W/2⌉] of `dtype`, channels_last: channel 4c + 2i + j of cell (y, x) is channel c of pixel (2y + i, 2x + j); the last four, and what lies
///   outside the image, are zero
at::Tensor fold_image(const at::Tensor& image, at::ScalarType dtype);

/// The weights that give the same convolution on a folded image, with stride 1. Differentiable.
/// @param weight [O,3,k,k] of a convolution with stride 2 and without padding, k odd     @returns [O,16,(k+1)/2,(k+1)/2], channels_last
at::Tensor fold_weight(const at::Tensor& weight);

/// Whether `x`, that a convolution with `weight` is to take, is a folded image.
inline bool is_folded(const at::Tensor& x, const at::Tensor& weight) { return x.size(1) == kFoldedChannels && weight.size(1) == 3; }

/// Whether a model on `device` folds: on a GPU in half precision and channels_last. SIAMFCPP_STEM_FOLD=0 never does, =always does on any device and
/// in any precision, for comparisons.
bool folds_stem(at::ScalarType dtype, at::MemoryFormat format, at::Device device);

}  // namespace siam::core
