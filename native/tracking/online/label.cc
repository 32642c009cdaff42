#include "label.h"

#include <ATen/ATen.h>

namespace siam::tracking::online {
namespace {

at::Tensor gaussian(int64_t side, double sigma, double center) {
  const at::Tensor from_middle = at::arange(side, at::TensorOptions().dtype(at::kDouble)) - ((side - 1) / 2.0 + center);
  return at::exp(from_middle * from_middle / (-2 * sigma * sigma));
}

}  // namespace

at::Tensor gaussian_label(int64_t side, double sigma, const Pair& center) { return at::outer(gaussian(side, sigma, center[0]), gaussian(side, sigma, center[1])); }

}  // namespace siam::tracking::online
