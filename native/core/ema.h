#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

namespace siam::core {

/// Exponential moving average of a model's state: shadow += (1 - decay) * (value - shadow).
///
/// Floating-point entries are averaged, running statistics of BatchNorm like weights; integers (num_batches_tracked) are copied. The shadow
/// begins as a copy of the state, made by begin(): before the first step, so that whatever was loaded into the model until then counts.
/// The caller decides the decay of each update. Parity: test/native/ema. Thread: engine.
class Ema {
 public:
  struct Entry {
    std::string name;
    at::Tensor value;   // the model's own tensor
    at::Tensor shadow;  // undefined before begin()
  };

  explicit Ema(std::vector<Entry> entries) : entries_(std::move(entries)) {}

  /// Copies the state, the first time; later calls do nothing until reset().
  void begin();
  /// One step of the average, in place, without waiting for a device. Begins where nobody has.
  void update(double decay);
  /// The same where `skipped` (a bool scalar beside the state) does not hold, by the decay of the updates that were not skipped so far:
  /// min(decay, (1 + t) / (warmup + t)) where warmup > 1. They are counted beside the state, from set_updates() on.
  void update_unless(const at::Tensor& skipped, double decay, double warmup);
  /// Says how many updates went into the shadow: after load() or reset(), or where update() was called.
  void set_updates(double updates);
  /// Forgets the shadow: the next begin() copies the state anew.
  void reset();
  /// Takes `tensors` (one for each entry, in order, of its shape) for the shadow.
  void load(const std::vector<at::Tensor>& tensors);

  const std::vector<Entry>& entries() const { return entries_; }
  /// The shadow of an entry; the state itself before begin().
  static const at::Tensor& average(const Entry& entry) { return entry.shadow.defined() ? entry.shadow : entry.value; }

 private:
  /// Floating-point shadows beside their values; everything else is copied.
  struct Averaged {
    std::vector<at::Tensor> shadows, values;
  };
  Averaged copy_others();

  std::vector<Entry> entries_;
  double updates_ = 0;
  at::Tensor counted_;  // float64 scalar beside the state, begins at updates_; made at the first update_unless()
};

}  // namespace siam::core
