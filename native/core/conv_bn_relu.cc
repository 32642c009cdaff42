#include "conv_bn_relu.h"

namespace siam::core {

ConvBnReluImpl::ConvBnReluImpl(const ConvBnReluOptions& options) : options_(options) {
  conv = register_module("conv", torch::nn::Conv2d(torch::nn::Conv2dOptions(options.in, options.out, options.kernel).stride(options.stride).groups(options.groups)));
  if (options.bn) bn = register_module("bn", torch::nn::BatchNorm2d(torch::nn::BatchNorm2dOptions(options.out).eps(options.bn_eps)));
}

const at::Tensor& ConvBnReluImpl::weight_as(at::ScalarType dtype) {
  if (conv->weight.scalar_type() == dtype) return conv->weight;
  if (!cast_weight_.defined() || cast_weight_.scalar_type() != dtype || (at::GradMode::is_enabled() && cast_weight_.requires_grad() != conv->weight.requires_grad())) {
    cast_weight_ = conv->weight.to(dtype);
  }
  return cast_weight_;
}

at::Tensor ConvBnReluImpl::convolve(const at::Tensor& x, const std::optional<at::Tensor>& bias) {
  const std::array<int64_t, 2> stride{options_.stride, options_.stride}, padding{0, 0}, dilation{1, 1};
  return at::conv2d(x, weight_as(x.scalar_type()), bias, at::IntArrayRef(stride), at::IntArrayRef(padding), at::IntArrayRef(dilation), options_.groups);
}

at::Tensor ConvBnReluImpl::forward(const at::Tensor& x) {
  if (options_.bn) {
    NormState state{bn->weight, bn->bias, bn->running_mean, bn->running_var, options_.bn_eps, bn->options.momentum().value()};
    if (!is_training()) return batch_norm_act(convolve(x, conv->bias.to(x.scalar_type())), std::nullopt, state, false, options_.relu);
    bn->num_batches_tracked.add_(1);
    return batch_norm_act(convolve(x, std::nullopt), conv->bias, state, true, options_.relu);
  }
  at::Tensor y = convolve(x, conv->bias.to(x.scalar_type()));
  return options_.relu ? y.relu_() : y;
}

}  // namespace siam::core
