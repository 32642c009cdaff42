#include "activation.h"

#include <ATen/ATen.h>

namespace siam::tracking::online {

at::Tensor Activation::value(const at::Tensor& x) const {
  switch (kind) {
    case Kind::kNone: return x;
    case Kind::kRelu: return at::relu(x);
    case Kind::kElu: return at::elu(x);
    case Kind::kMlu: return at::where(x > 0, x, at::expm1(x.clamp_max(0) / knee) * knee);
  }
  return x;
}

at::Tensor Activation::slope(const at::Tensor& x) const {
  switch (kind) {
    case Kind::kNone: return at::ones_like(x);
    case Kind::kRelu: return (x > 0).to(x.scalar_type());
    case Kind::kElu: return at::exp(x.clamp_max(0));
    case Kind::kMlu: return at::exp(x.clamp_max(0) / knee);
  }
  return at::ones_like(x);
}

}  // namespace siam::tracking::online
