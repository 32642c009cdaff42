#include "ema.h"

#include <c10/core/GradMode.h>

namespace siam::core {

void Ema::begin() {
  c10::NoGradGuard no_grad;
  for (auto& entry : entries_) {
    if (!entry.shadow.defined()) entry.shadow = entry.value.detach().clone();
  }
}

Ema::Averaged Ema::copy_others() {
  Averaged averaged;
  for (auto& entry : entries_) {
    if (entry.value.is_floating_point()) {
      averaged.shadows.push_back(entry.shadow);
      averaged.values.push_back(entry.value.detach());
    } else {
      entry.shadow.copy_(entry.value, /*non_blocking=*/true);
    }
  }
  return averaged;
}

void Ema::update(double decay) {
  c10::NoGradGuard no_grad;
  begin();
  const auto [shadows, values] = copy_others();
  if (!shadows.empty()) at::_foreach_lerp_(shadows, values, 1.0 - decay);
}

void Ema::update_unless(const at::Tensor& skipped, double decay, double warmup) {
  c10::NoGradGuard no_grad;
  begin();
  if (!counted_.defined()) counted_ = at::full({}, updates_, skipped.options().dtype(at::kDouble));
  at::Tensor share;  // of the new value
  if (warmup > 1) {
    share = 1 - at::clamp_max((counted_ + 1) / (counted_ + warmup), decay);
  } else {
    share = at::full({}, 1 - decay, counted_.options());
  }
  share = share.masked_fill(skipped, 0).to(at::kFloat);
  counted_.add_(skipped.logical_not());
  const auto [shadows, values] = copy_others();  // others: a skipped step has left them as they were
  if (shadows.empty()) return;
  // Not a lerp: that takes one weight for all only as a number of the host's.
  std::vector<at::Tensor> steps = at::_foreach_sub(values, shadows);
  at::_foreach_mul_(steps, share);
  at::_foreach_add_(shadows, steps);
}

void Ema::set_updates(double updates) {
  updates_ = updates;
  counted_.reset();
}

void Ema::reset() {
  set_updates(0);
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
