#include "clip.h"

#include <c10/core/GradMode.h>

namespace siam::core {

at::Tensor clip_grad_norm(Sgd& optimizer, double max_norm) {
  c10::NoGradGuard no_grad;
  std::vector<at::Tensor> gradients = optimizer.gradients();
  if (gradients.empty()) return at::zeros({});
  const at::Tensor norm = at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients, 2)), 2);
  // Multiplied also where the factor is 1, as torch does: a test of the norm would wait for the device.
  at::_foreach_mul_(gradients, (max_norm / (norm + 1e-6)).clamp_max(1.0));
  return norm;
}

void clip_grad_value(Sgd& optimizer, double max_value) {
  c10::NoGradGuard no_grad;
  std::vector<at::Tensor> gradients = optimizer.gradients();
  if (gradients.empty()) return;
  at::_foreach_clamp_min_(gradients, -max_value);
  at::_foreach_clamp_max_(gradients, max_value);
}

}  // namespace siam::core
