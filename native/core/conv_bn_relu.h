#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

#include "norm_act.h"

namespace siam::core {

/// How activations are computed; parameters are always float32.
struct ComputeMode {
  at::ScalarType dtype = at::kFloat;
  at::MemoryFormat format = at::MemoryFormat::Contiguous;
};

struct ConvBnReluOptions {
  int64_t in, out, kernel;
  int64_t stride = 1, groups = 1;
  bool bn = true, relu = true;
  double bn_eps = 1e-5;
};

/// Convolution without padding, BatchNorm and ReLU, the original's conv_bn_relu; parameters `conv.*` and `bn.*`.
class ConvBnReluImpl : public torch::nn::Module {
 public:
  explicit ConvBnReluImpl(const ConvBnReluOptions& options);

  /// @param x [N,in,H,W] in the mode's dtype and memory format     @returns [N,out,H',W']
  at::Tensor forward(const at::Tensor& x);

  /// Forgets the weight cast for the last step; the next forward casts anew.
  void drop_cast_weight() { cast_weight_.reset(); }

  torch::nn::Conv2d conv{nullptr};
  torch::nn::BatchNorm2d bn{nullptr};

 private:
  const at::Tensor& weight_as(at::ScalarType dtype);
  at::Tensor convolve(const at::Tensor& x, const std::optional<at::Tensor>& bias);

  ConvBnReluOptions options_;
  at::Tensor cast_weight_;  // kept over one step, so that template and search branch share one cast and its gradient
};
TORCH_MODULE(ConvBnRelu);

}  // namespace siam::core
