#include "draws.h"

#include <ATen/ATen.h>

#include <cmath>

namespace siam::tracking::online {

at::Tensor Draws::normal(at::IntArrayRef shape, double deviation) {
  at::Tensor out = at::empty(shape, at::kDouble);
  double* values = out.data_ptr<double>();
  for (int64_t i = 0; i < out.numel(); i += 2) {
    // Box and Muller: two uniform numbers give two normal ones. The logarithm's argument is never 0.
    const double radius = deviation * std::sqrt(-2 * std::log(1 - uniform()));
    const double angle = 2 * M_PI * uniform();
    values[i] = radius * std::cos(angle);
    if (i + 1 < out.numel()) values[i + 1] = radius * std::sin(angle);
  }
  return out;
}

}  // namespace siam::tracking::online
