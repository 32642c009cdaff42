#pragma once

#include <ATen/ATen.h>

#include <map>
#include <string>
#include <vector>

namespace siam::core {

struct SgdGroup {
  std::vector<std::string> names;
  std::vector<at::Tensor> parameters;
  double lr = 0, momentum = 0, weight_decay = 0, dampening = 0;
  bool nesterov = false;
};

/// torch.optim.SGD with parameter groups, one fused pass over parameter, gradient and momentum. Parity: test/golden/trajectory. Thread: engine.
class Sgd {
 public:
  explicit Sgd(std::vector<SgdGroup> groups) : groups_(std::move(groups)) {}

  /// Parameters without a gradient (frozen ones) are left alone, momentum and weight decay included, as torch does.
  /// @param found_inf  a float32 scalar beside the parameters: the step is skipped where it is 1, on the device, and nothing waits. Only a
  ///   step that makes momentum buffers reads it first, so that a skipped one leaves none.
  void step(const at::Tensor& found_inf = {});
  /// Sets gradients to none, as torch's default.
  void zero_grad();
  void set_lr(size_t group, double lr) { groups_.at(group).lr = lr; }

  std::vector<SgdGroup>& groups() { return groups_; }
  /// The gradients that there are, group by group (frozen parameters have none).
  std::vector<at::Tensor> gradients() const;
  /// Momentum buffers by parameter name; only those that exist.
  std::map<std::string, at::Tensor>& momentum() { return momentum_; }

 private:
  /// Whether the next step is the first of a parameter that keeps momentum.
  bool makes_momentum() const;

  std::vector<SgdGroup> groups_;
  std::map<std::string, at::Tensor> momentum_;
};

}  // namespace siam::core
