#include "guarded_sgd.h"

#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "../base/error.h"
#include "clip.h"
#include "dispatch.h"
#include "kernels/finite.h"

namespace siam::core {

namespace {

/// The CPU's check without a scaler: it only reads, where `_amp_foreach_non_finite_check_and_unscale_` would write all gradients anew.
bool all_finite(const std::vector<at::Tensor>& gradients) {
  for (const at::Tensor& gradient : gradients) {
    if (gradient.scalar_type() != at::kFloat) {
      if (!at::isfinite(gradient).all().item<bool>()) return false;
      continue;
    }
    const at::Tensor dense = gradient.is_non_overlapping_and_dense() ? gradient : gradient.contiguous();
    const float* values = data<const float>(dense);
    std::atomic<bool> finite{true};
    at::parallel_for(0, dense.numel(), 1 << 15, [&](int64_t begin, int64_t end) {
      if (!kernels::all_finite(values, begin, end)) finite.store(false, std::memory_order_relaxed);
    });
    if (!finite.load(std::memory_order_relaxed)) return false;
  }
  return true;
}

}  // namespace

void GuardedSgd::zero_grad() {
  Sgd::zero_grad();
  buffers_.take();
  loss_bad_ = false;
  seeds_.reset();
}

void GuardedSgd::backward(const at::Tensor& loss, double share, GradScaler* scaler) {
  if (loss.numel() != 1) throw SiamException("ERR_SHAPE", "backward: expected a loss of one element but received " + describe(loss));
  at::Tensor seed;
  {
    c10::NoGradGuard no_grad;
    const auto options = at::TensorOptions().device(loss.device()).dtype(at::kFloat);
    if (scaler != nullptr && scaler->enabled()) {
      const at::Tensor& scale = scaler->scale_on(loss.device());
      seed = share == 1 ? scale : scale * share;
    } else {
      if (!share_tensor_.defined() || share_ != share || share_tensor_.device() != loss.device()) share_tensor_ = at::full({}, share, options);
      share_ = share;
      seed = share_tensor_;
    }
    // + 0 · loss: NaN where the loss is not finite, and the seed as it is elsewhere.
    seed = at::add(seed, loss.detach(), 0).to(loss.scalar_type());
    if (loss.is_cpu() && !deferred_) {
      loss_bad_ = loss_bad_ || !std::isfinite(loss.item<double>());
    } else {
      seeds_ = seeds_.defined() ? seeds_ + seed : seed;
    }
  }
  loss.backward(seed);
}

at::Tensor GuardedSgd::check(const StepOptions& options) {
  const std::vector<at::Tensor> gradients = this->gradients();
  if (options.scaler && options.scaler->enabled()) {
    if (!options.scaler->unscaled(*this)) options.scaler->unscale(*this);
    return options.scaler->found_inf();
  }
  const auto where = at::TensorOptions().dtype(at::kFloat).device(gradients.empty() ? at::Device(at::kCPU) : gradients[0].device());
  if (!found_inf_.defined() || found_inf_.device() != where.device()) {
    found_inf_ = at::zeros({}, where);
    one_ = at::ones({}, where);
  }
  if (where.device().is_cpu() && !deferred_) {
    found_inf_.fill_(all_finite(gradients) ? 0 : 1);
  } else {
    found_inf_.zero_();
    if (!gradients.empty()) at::_amp_foreach_non_finite_check_and_unscale_(gradients, found_inf_, one_);
  }
  return found_inf_;
}

StepOutcome GuardedSgd::step(const StepOptions& options) {
  c10::NoGradGuard no_grad;
  if (options.ema) options.ema->begin();
  // Before clipping: a norm that is infinite would make zeros of what is finite.
  const at::Tensor found_inf = check(options);
  at::Tensor norm;
  if (options.clip_value > 0) clip_grad_value(*this, options.clip_value);
  if (options.clip_norm > 0) norm = clip_grad_norm(*this, options.clip_norm);
  StepOutcome outcome = found_inf.is_cpu() && !deferred_ ? step_now(options, found_inf) : step_later(options, found_inf);
  outcome.grad_norm = norm;
  if (options.scaler && options.scaler->enabled()) options.scaler->update();
  loss_bad_ = false;
  seeds_.reset();
  return outcome;
}

StepOutcome GuardedSgd::step_now(const StepOptions& options, const at::Tensor& found_inf) {
  StepOutcome outcome;
  const bool skipped = found_inf.item<float>() != 0;
  outcome.known = StepOutcome::Known{skipped, loss_bad_, std::nullopt};
  if (options.scaler && options.scaler->enabled()) outcome.known->scale = options.scaler->scale_on(at::kCPU).item<double>();
  if (skipped) {
    buffers_.put_back();
    return outcome;
  }
  Sgd::step();
  if (options.ema) {
    const double t = options.ema_updates, warmup = options.ema_warmup;
    options.ema->update(warmup <= 1 ? options.ema_decay : std::min(options.ema_decay, (1 + t) / (warmup + t)));
  }
  return outcome;
}

StepOutcome GuardedSgd::step_later(const StepOptions& options, const at::Tensor& found_inf) {
  StepOutcome outcome;
  const at::Tensor skipped = found_inf.ne(0);
  Sgd::step(found_inf);
  buffers_.put_back_where(skipped);
  // After the buffers: the average follows them, too.
  if (options.ema) options.ema->update_unless(skipped, options.ema_decay, options.ema_warmup);
  outcome.flags = seeds_.defined() ? at::add(found_inf, seeds_.ne(seeds_), 2).reshape({}) : found_inf.clone();
  // Of its own, since update() changes the scale in place.
  if (options.scaler && options.scaler->enabled()) outcome.scale = options.scaler->scale_on(found_inf.device()).clone();
  return outcome;
}

}  // namespace siam::core
