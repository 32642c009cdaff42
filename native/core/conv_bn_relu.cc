#include "conv_bn_relu.h"

#include <algorithm>

#include "stem_fold.h"

namespace siam::core {

ConvUnit::ConvUnit(const ConvBnReluOptions& options) : options_(options) {
  conv = torch::nn::Conv2d(
      torch::nn::Conv2dOptions(options.in, options.out, options.kernel).stride(options.stride).padding(options.padding).groups(options.groups).bias(options.bias));
  if (options.bn) bn = torch::nn::BatchNorm2d(torch::nn::BatchNorm2dOptions(options.out).eps(options.bn_eps));
}

namespace {

thread_local BatchCounts* counts = nullptr;

}  // namespace

BatchCounts::BatchCounts() : outer_(counts) { counts = this; }
BatchCounts::~BatchCounts() { counts = outer_; }

void BatchCounts::commit() {
  // A unit that ran on both images is in both lists.
  if (!once_.empty()) at::_foreach_add_(once_, 1);
  if (!again_.empty()) at::_foreach_add_(again_, 1);
  once_.clear();
  again_.clear();
}

/// One batch more. A third time within one forward pass is added at once.
void count_batch(const at::Tensor& counter) {
  const auto has = [&](const std::vector<at::Tensor>& list) { return std::any_of(list.begin(), list.end(), [&](const at::Tensor& other) { return other.is_same(counter); }); };
  if (counts == nullptr || has(counts->again_)) {
    counter.add_(1);
  } else {
    (has(counts->once_) ? counts->again_ : counts->once_).push_back(counter);
  }
}

const at::Tensor& ConvUnit::weight_as(at::ScalarType dtype) {
  if (conv->weight.scalar_type() == dtype) return conv->weight;
  if (!cast_weight_.defined() || cast_weight_.scalar_type() != dtype || (at::GradMode::is_enabled() && cast_weight_.requires_grad() != conv->weight.requires_grad())) {
    cast_weight_ = conv->weight.to(dtype);
  }
  return cast_weight_;
}

std::optional<at::Tensor> ConvUnit::bias_as(at::ScalarType dtype) const {
  return options_.bias ? std::optional<at::Tensor>(conv->bias.to(dtype)) : std::nullopt;
}

at::Tensor ConvUnit::convolve(const at::Tensor& x, const std::optional<at::Tensor>& bias) {
  const std::array<int64_t, 2> one{1, 1};
  if (is_folded(x, conv->weight)) return at::conv2d(x, fold_weight(weight_as(x.scalar_type())), bias, at::IntArrayRef(one), at::IntArrayRef(*options_.padding), at::IntArrayRef(one));
  const std::array<int64_t, 2> stride{options_.stride, options_.stride}, dilation{1, 1};
  return at::conv2d(x, weight_as(x.scalar_type()), bias, at::IntArrayRef(stride), at::IntArrayRef(*options_.padding), at::IntArrayRef(dilation), options_.groups);
}

at::Tensor ConvUnit::normalise(const at::Tensor& x, const PoolShape* pool) {
  NormState state{bn->weight, bn->bias, bn->running_mean, bn->running_var, options_.bn_eps, bn->options.momentum().value()};
  const bool training = bn->is_training();
  const at::Tensor y = convolve(x, training ? std::nullopt : bias_as(x.scalar_type()));
  std::optional<at::Tensor> left_out;
  if (training) {
    count_batch(bn->num_batches_tracked);
    if (options_.bias) left_out = conv->bias;
  }
  return pool != nullptr ? batch_norm_relu_pool(y, left_out, state, training, *pool) : batch_norm_act(y, left_out, state, training, options_.relu);
}

at::Tensor ConvUnit::forward_pooled(const at::Tensor& x, const PoolShape& pool) { return normalise(x, &pool); }

at::Tensor ConvUnit::forward(const at::Tensor& x) {
  if (options_.bn) return normalise(x, nullptr);
  at::Tensor y = convolve(x, bias_as(x.scalar_type()));
  return options_.relu ? y.relu_() : y;
}

ConvBnReluImpl::ConvBnReluImpl(const ConvBnReluOptions& options) : unit_(options), conv(unit_.conv), bn(unit_.bn) {
  register_module("conv", conv);
  if (options.bn) register_module("bn", bn);
}

ConvSequenceImpl::ConvSequenceImpl(const std::vector<ConvBnReluOptions>& units) {
  int place = 0;
  for (const auto& options : units) {
    units_.emplace_back(options);
    register_module(std::to_string(place++), units_.back().conv);
    if (options.bn) register_module(std::to_string(place++), units_.back().bn);
    if (options.relu) place++;
  }
}

at::Tensor ConvSequenceImpl::forward(const at::Tensor& x) {
  at::Tensor y = x;
  for (auto& unit : units_) y = unit.forward(y);
  return y;
}

at::Tensor ConvSequenceImpl::forward_pooled(const at::Tensor& x, const PoolShape& pool) {
  at::Tensor y = x;
  for (size_t i = 0; i + 1 < units_.size(); i++) y = units_[i].forward(y);
  return units_.back().forward_pooled(y, pool);
}

void ConvSequenceImpl::drop_cast_weights() {
  for (auto& unit : units_) unit.drop_cast_weight();
}

}  // namespace siam::core
