#include "attention.h"

#include <ATen/ATen.h>

namespace siam::tracking::online {

ChannelAttention::ChannelAttention(const at::Tensor& mean, const at::Tensor& fc1, const at::Tensor& fc2, const Activation& activation) : mean_(mean), fc1_(fc1), fc2_(fc2) {
  const at::Tensor before = at::mm(mean, fc1.t());
  hidden_ = activation.value(before);
  hidden_slope_ = activation.slope(before);
  value_ = at::sigmoid(at::mm(hidden_, fc2.t()));
  value_slope_ = value_ * (1 - value_);
}

at::Tensor ChannelAttention::tangent(const at::Tensor& mean, const at::Tensor& fc1, const at::Tensor& fc2) const {
  const at::Tensor hidden = hidden_slope_ * (at::mm(mean, fc1_.t()) + at::mm(mean_, fc1.t()));
  return value_slope_ * (at::mm(hidden, fc2_.t()) + at::mm(hidden_, fc2.t()));
}

ChannelAttention::Adjoint ChannelAttention::adjoint(const at::Tensor& value) const {
  const at::Tensor outer = value_slope_ * value;
  const at::Tensor inner = hidden_slope_ * at::mm(outer, fc2_);
  return {at::mm(inner, fc1_), at::mm(inner.t(), mean_), at::mm(outer.t(), hidden_)};
}

}  // namespace siam::tracking::online
