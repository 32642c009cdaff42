#pragma once

#include <ATen/ATen.h>

#include <set>

#include "sgd.h"

namespace siam::core {

struct GradScalerState {
  double scale = 65536.0, growth_factor = 2.0, backoff_factor = 0.5;
  int64_t growth_interval = 2000, growth_tracker = 0;
};

/// torch.amp.GradScaler, which C++ lacks, on the same `_amp_*` operations. Parity: test/native/grad-scaler. Thread: engine.
class GradScaler {
 public:
  GradScaler(const GradScalerState& state, bool enabled) : state_(state), enabled_(enabled) {}

  at::Tensor scale(const at::Tensor& loss);
  /// @throws ERR_ARGUMENT when called twice for one optimizer before update()
  void unscale(Sgd& optimizer);
  /// @returns whether the optimizer stepped (false: a gradient was not finite); waits for a device (GuardedSgd::step() does not)
  bool step(Sgd& optimizer);
  void update();
  /// Whether the gradients of an optimizer have been unscaled since the last update().
  bool unscaled(const Sgd& optimizer) const { return unscaled_.count(&optimizer) != 0; }
  /// 1 where a gradient that was unscaled since the last update() was not finite; a float32 scalar, undefined before scale().
  const at::Tensor& found_inf() const { return found_inf_; }
  /// The scale, a float32 scalar on `device`.
  const at::Tensor& scale_on(const at::Device& device);

  GradScalerState state() const;
  void load(const GradScalerState& state);
  bool enabled() const { return enabled_; }
  /// What scale() multiplies by, on the device; undefined before its first call. load() makes another tensor.
  const at::Tensor& scale_tensor() const { return scale_; }

 private:
  GradScalerState state_;
  bool enabled_;
  at::Tensor scale_, growth_tracker_;  // made at first use, on the loss's device
  at::Tensor found_inf_;               // over all optimizers since the last update()
  std::set<const Sgd*> unscaled_;
};

}  // namespace siam::core
