#include "grad_scaler.h"

#include <c10/core/GradMode.h>

#include "../base/error.h"

namespace siam::core {

const at::Tensor& GradScaler::scale_on(const at::Device& device) {
  if (!scale_.defined()) {
    const auto options = at::TensorOptions().device(device);
    scale_ = at::full({}, state_.scale, options.dtype(at::kFloat));
    growth_tracker_ = at::full({}, state_.growth_tracker, options.dtype(at::kInt));
    found_inf_ = at::zeros({}, options.dtype(at::kFloat));
  }
  return scale_;
}

at::Tensor GradScaler::scale(const at::Tensor& loss) {
  if (!enabled_) return loss;
  return loss * scale_on(loss.device());
}

void GradScaler::unscale(Sgd& optimizer) {
  if (!enabled_) return;
  if (unscaled_.count(&optimizer) != 0) throw SiamException("ERR_ARGUMENT", "GradScaler.unscale: expected one call an optimizer before update() but received a second");
  c10::NoGradGuard no_grad;
  const std::vector<at::Tensor> gradients = optimizer.gradients();
  if (gradients.empty()) throw SiamException("ERR_ARGUMENT", "GradScaler.unscale: expected gradients (call backward first) but found none");
  const at::Tensor inverse = scale_on(gradients[0].device()).to(at::kDouble).reciprocal().to(at::kFloat);
  at::_amp_foreach_non_finite_check_and_unscale_(gradients, found_inf_, inverse);
  unscaled_.insert(&optimizer);
}

bool GradScaler::step(Sgd& optimizer) {
  if (!enabled_) {
    optimizer.step();
    return true;
  }
  if (unscaled_.count(&optimizer) == 0) unscale(optimizer);
  if (found_inf_.item<float>() != 0) return false;
  optimizer.step();
  return true;
}

void GradScaler::update() {
  if (!enabled_) return;
  if (!scale_.defined()) throw SiamException("ERR_ARGUMENT", "GradScaler.update: expected scale() and step() before it");
  at::_amp_update_scale_(scale_, growth_tracker_, found_inf_, state_.growth_factor, state_.backoff_factor, state_.growth_interval);
  found_inf_.zero_();
  unscaled_.clear();
}

GradScalerState GradScaler::state() const {
  GradScalerState state = state_;
  if (scale_.defined()) {
    state.scale = scale_.item<float>();
    state.growth_tracker = growth_tracker_.item<int>();
  }
  return state;
}

void GradScaler::load(const GradScalerState& state) {
  state_ = state;
  scale_.reset();
  growth_tracker_.reset();
  found_inf_.reset();
  unscaled_.clear();
}

}  // namespace siam::core
