#include "clip.h"

#include <c10/core/GradMode.h>

namespace siam::core {

at::Tensor clip_grad_norm(Sgd& optimizer, double max_norm) {
  c10::NoGradGuard no_grad;
  std::vector<at::Tensor> gradients = optimizer.gradients();
  if (gradients.empty()) return at::zeros({});
  const at::Tensor norm = at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients, 2)), 2);
  const at::Tensor factor = (max_norm / (norm + 1e-6)).clamp_max(1.0);
  // On a device torch multiplies by 1, too, for a look at the factor would wait; on the CPU a look is free and saves a pass over the gradients.
  if (factor.is_cpu() && factor.item<float>() == 1.0f) return norm;
  at::_foreach_mul_(gradients, factor);
  return norm;
}

void clip_grad_value(Sgd& optimizer, double max_value) {
  c10::NoGradGuard no_grad;
  std::vector<at::Tensor> gradients = optimizer.gradients();
  if (gradients.empty()) return;
  if (gradients[0].is_cpu()) {
    for (auto& gradient : gradients) gradient.clamp_(-max_value, max_value);  // one pass instead of two
    return;
  }
  at::_foreach_clamp_min_(gradients, -max_value);
  at::_foreach_clamp_max_(gradients, max_value);
}

}  // namespace siam::core
