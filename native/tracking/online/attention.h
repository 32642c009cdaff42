// Channel attention, sigmoid(fc2 · activation(fc1 · mean)), linearised at a point.
#pragma once

#include <ATen/core/Tensor.h>

#include "activation.h"

namespace siam::tracking::online {

/// N samples of C channels. fc1 [C/2,C], fc2 [C,C/2].
class ChannelAttention {
 public:
  /// @param mean [N,C], each channel's mean over the cells
  ChannelAttention(const at::Tensor& mean, const at::Tensor& fc1, const at::Tensor& fc2, const Activation& activation);

  /// [N,C], 0 to 1.
  const at::Tensor& value() const { return value_; }

  /// How the value changes with its parts.     @returns [N,C]
  at::Tensor tangent(const at::Tensor& mean, const at::Tensor& fc1, const at::Tensor& fc2) const;

  struct Adjoint {
    at::Tensor mean, fc1, fc2;
  };
  /// The adjoint of tangent(). @param value [N,C]
  Adjoint adjoint(const at::Tensor& value) const;

 private:
  at::Tensor mean_, fc1_, fc2_, hidden_, hidden_slope_, value_, value_slope_;
};

}  // namespace siam::tracking::online
