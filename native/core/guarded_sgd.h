#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <optional>
#include <vector>

#include "buffer_stash.h"
#include "ema.h"
#include "grad_scaler.h"
#include "sgd.h"

namespace siam::core {

struct StepOptions {
  std::shared_ptr<GradScaler> scaler;  ///< none: gradients are as they are
  std::shared_ptr<Ema> ema;            ///< follows the weights, unless the step is skipped
  double ema_decay = 0, ema_warmup = 0;
  double ema_updates = 0;              ///< so far; where the outcome comes late those that Ema counts by itself hold
  double clip_value = 0, clip_norm = 0;  ///< 0: no limit; the value comes first
};

/// What became of a step.
struct StepOutcome {
  struct Known {
    bool skipped, loss_bad;
    std::optional<double> scale;
  };
  std::optional<Known> known;  ///< none: a device will know, and `flags` (and `scale`) hold it then
  at::Tensor flags;            ///< float32 scalar: 1 where the step was skipped, + 2 where a loss of its batches was not finite
  at::Tensor scale;            ///< float32 scalar: what the losses were scaled by; undefined without a scaler
  at::Tensor grad_norm;        ///< before clipping; undefined without clip_norm
};

/// SGD whose steps are skipped where a gradient is not finite, as if their iterations had not been: parameters, momentum, average and buffers
/// stay bit by bit. One flag decides, from the gradients as they are when step() is called (complete, and reduced over processes): so all
/// processes skip alike, without a message. backward() sees to it that a loss which is not finite reaches the gradients.
///
/// On the CPU the outcome is known at once. On a device nothing waits for it, but for a step that makes momentum buffers.
/// Life of an iteration: zero_grad(), then forward and backward() for each of its batches, then step(). Thread: engine.
class GuardedSgd : public Sgd {
 public:
  /// @param deferred  treat the CPU as a device that tells late, for tests
  GuardedSgd(std::vector<SgdGroup> groups, std::shared_ptr<ModelBuffers> buffers, bool deferred = false)
      : Sgd(std::move(groups)), buffers_(std::move(buffers)), deferred_(deferred) {}

  /// Gradients go, and the model's buffers are remembered for a step that will be skipped.
  void zero_grad();
  /// Adds `share` times a loss's gradients (scaled where there is a scaler); NaN where the loss is not finite.
  /// @param loss  one element     @throws ERR_SHAPE
  void backward(const at::Tensor& loss, double share, GradScaler* scaler);
  /// What backward() left for step() beside the gradients: for whoever repeats a backward without calling it (engine/step_graph.h).
  const at::Tensor& seeds() const { return seeds_; }
  void set_seeds(at::Tensor seeds) { seeds_ = std::move(seeds); }
  /// Unscale → clip → step → average, and the scaler's update.
  StepOutcome step(const StepOptions& options);

 private:
  at::Tensor check(const StepOptions& options);
  StepOutcome step_now(const StepOptions& options, const at::Tensor& found_inf);
  StepOutcome step_later(const StepOptions& options, const at::Tensor& found_inf);

  BufferStash buffers_;
  bool deferred_;
  bool loss_bad_ = false;                    // where the outcome is known at once
  at::Tensor seeds_;                         // sum over the batches: NaN where a loss was not finite
  at::Tensor one_, share_tensor_, found_inf_;  // made once, on the parameters' device
  double share_ = 0;
};

}  // namespace siam::core
