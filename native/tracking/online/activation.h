// Activations and their slopes: what a linearisation needs of them.
#pragma once

#include <ATen/core/Tensor.h>

namespace siam::tracking::online {

struct Activation {
  enum class Kind { kNone, kRelu, kElu, kMlu };
  Kind kind = Kind::kNone;
  double knee = 0;  ///< MLU: x above 0, knee · (exp(x / knee) − 1) below

  at::Tensor value(const at::Tensor& x) const;
  /// d value / d x.
  at::Tensor slope(const at::Tensor& x) const;
};

}  // namespace siam::tracking::online
