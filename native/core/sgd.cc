#include "sgd.h"

#include <c10/core/GradMode.h>

namespace siam::core {

namespace {

/// The gradient as the fused kernels want it: with the parameter's strides. Autograd sees to them but for dimensions of one element, where any
/// stride is as good and some kernels leave another.
at::Tensor as_parameter(const at::Tensor& gradient, const at::Tensor& parameter) {
  if (parameter.is_cpu() || gradient.strides() == parameter.strides()) return gradient;
  for (int64_t d = 0; d < parameter.dim(); d++) {
    if (parameter.size(d) > 1 && gradient.stride(d) != parameter.stride(d)) return at::empty_like(parameter.detach()).copy_(gradient);
  }
  return gradient.as_strided(parameter.sizes(), parameter.strides());
}

}  // namespace

bool Sgd::makes_momentum() const {
  for (const auto& group : groups_) {
    if (group.momentum == 0) continue;
    for (size_t i = 0; i < group.parameters.size(); i++) {
      if (group.parameters[i].grad().defined() && momentum_.count(group.names[i]) == 0) return true;
    }
  }
  return false;
}

void Sgd::step(const at::Tensor& found_inf) {
  c10::NoGradGuard no_grad;
  if (found_inf.defined() && makes_momentum() && found_inf.item<float>() != 0) return;
  const std::optional<at::Tensor> skip = found_inf.defined() ? std::optional<at::Tensor>(found_inf) : std::nullopt;
  for (auto& group : groups_) {
    // torch initialises a momentum buffer with the first gradient itself; the fused kernel wants to know which buffers are new.
    std::vector<at::Tensor> parameters[2], gradients[2], buffers[2];
    for (size_t i = 0; i < group.parameters.size(); i++) {
      const at::Tensor& gradient = group.parameters[i].grad();
      if (!gradient.defined()) continue;
      int is_new = 0;
      at::Tensor buffer;
      if (group.momentum != 0) {
        auto& slot = momentum_[group.names[i]];
        if (!slot.defined()) {
          slot = at::empty_like(group.parameters[i]);
          is_new = 1;
        }
        buffer = slot;
      }
      parameters[is_new].push_back(group.parameters[i]);
      gradients[is_new].push_back(as_parameter(gradient, group.parameters[i]));
      if (buffer.defined()) buffers[is_new].push_back(buffer);
    }
    for (int is_new = 0; is_new < 2; is_new++) {
      if (parameters[is_new].empty()) continue;
      at::_fused_sgd_(parameters[is_new], gradients[is_new], buffers[is_new], group.weight_decay, group.momentum, group.lr, group.dampening, group.nesterov,
                      /*maximize=*/false, /*is_first_step=*/is_new == 1, {}, skip);
    }
  }
}

void Sgd::zero_grad() {
  for (auto& group : groups_) {
    for (auto& parameter : group.parameters) parameter.mutable_grad().reset();
  }
}

std::vector<at::Tensor> Sgd::gradients() const {
  std::vector<at::Tensor> found;
  for (const auto& group : groups_) {
    for (const auto& parameter : group.parameters) {
      if (parameter.grad().defined()) found.push_back(parameter.grad());
    }
  }
  return found;
}

}  // namespace siam::core
