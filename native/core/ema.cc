#include "ema.h"

#include <c10/core/GradMode.h>

namespace siam::core {

void Ema::begin() {
  c10::NoGradGuard no_grad;
  for (auto& entry : entries_) {
    if (!entry.shadow.defined()) entry.shadow = entry.value.detach().clone();
  }
}

void Ema::update(double decay) {
  c10::NoGradGuard no_grad;
  begin();
  std::vector<at::Tensor> shadows, values;
  for (auto& entry : entries_) {
    if (entry.value.is_floating_point()) {
      shadows.push_back(entry.shadow);
      values.push_back(entry.value.detach());
    } else {
      entry.shadow.copy_(entry.value, /*non_blocking=*/true);
    }
  }
  if (!shadows.empty()) at::_foreach_lerp_(shadows, values, 1.0 - decay);
}

void Ema::reset() {
  for (auto& entry : entries_) entry.shadow.reset();
}

void Ema::load(const std::vector<at::Tensor>& tensors) {
  c10::NoGradGuard no_grad;
  for (size_t i = 0; i < entries_.size(); i++) {
    auto& entry = entries_[i];
    // The state's memory format and device, as the update expects.
    if (!entry.shadow.defined()) entry.shadow = at::empty_like(entry.value.detach());
    entry.shadow.copy_(tensors.at(i));
  }
}

}  // namespace siam::core
