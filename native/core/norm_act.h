#pragma once

#include <ATen/ATen.h>

namespace siam::core {

/// State and parameters of one BatchNorm2d, all [C] float32.
struct NormState {
  at::Tensor weight, bias, running_mean, running_var;
  double eps = 1e-5;
  double momentum = 0.1;
};

/// y = relu?(BatchNorm(x)), fused, with accurate sums in both memory formats.
///
/// In training the convolution's bias cancels in y: it enters the running mean alone, and its gradient is exactly 0 (torch computes
/// rounding noise there), so the convolution before need not add it. In eval mode the convolution adds it (the same rounding as torch's:
/// one activation that falls on the other side of a ReLU changes a backbone gradient by 2e-4).
/// @param x          output of the convolution, [N,C,H,W], float32 or bfloat16 (sums and statistics stay float32/64)
/// @param conv_bias  the bias that the convolution left out, [C] float32; none in eval mode or without one
/// Source: torch.nn.BatchNorm2d; parity: test/golden/forward. Thread: engine.
at::Tensor batch_norm_act(const at::Tensor& x, const std::optional<at::Tensor>& conv_bias, NormState& state, bool training, bool relu);

/// The networks' maximum over 3×3 windows of stride 2.
struct PoolShape {
  int64_t padding = 0;
  bool ceil = false;  ///< windows that begin inside and end outside count, cut at the border
  int64_t size(int64_t in) const;
};

/// max_pool(relu(BatchNorm(x))), on CUDA as one pass (the activation itself is never written), elsewhere one after the other.
at::Tensor batch_norm_relu_pool(const at::Tensor& x, const std::optional<at::Tensor>& conv_bias, NormState& state, bool training, const PoolShape& pool);

}  // namespace siam::core
