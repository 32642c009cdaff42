#include "losses.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "jit.h"

namespace siam::core::cuda {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

constexpr int64_t kMostBlocks = 264;  // two for each of 132 multiprocessors; fixed, so that sums are the same on every card
constexpr Variant kVariant{"losses"};


enum Kind : int64_t { kFocal, kRetina, kCenterness, kIou };

struct Terms {
  int64_t kind;
  double weight, first, second, third;  // focal: alpha, gamma, ignored; IoU: background, ignored
};

struct PositionLoss : torch::autograd::Function<PositionLoss> {
  static tensor_list forward(AutogradContext* ctx, const at::Tensor& pred_in, const at::Tensor& target_in, const at::Tensor& label_in, int64_t kind, double weight, double first,
                             double second, double third) {
    const at::Tensor pred = pred_in.contiguous(), label = label_in.contiguous();
    const auto options = pred.options().requires_grad(false);
    const auto total = static_cast<long long>(label.numel());
    const int64_t blocks = std::clamp<int64_t>(ceil_div(total, kThreads), 1, kMostBlocks);
    at::Tensor gradient = at::empty(pred.sizes(), options), loss = at::empty({}, options), mean = at::empty({}, options), factor = at::empty({}, options);
    const at::Tensor partial = at::empty({blocks, 3}, options.dtype(at::kDouble));
    const Module& module = loaded_module(kVariant, pred.device());
    const auto f = [](double value) { return static_cast<float>(value); };
    if (kind == kIou) {
      const at::Tensor target = target_in.contiguous();
      module.launch("loss_iou", blocks, 1, kThreads, pred.data_ptr(), target.data_ptr(), label.data_ptr(), gradient.data_ptr(), total, f(first), f(second), partial.data_ptr());
    } else if (kind == kCenterness) {
      module.launch("loss_centerness", blocks, 1, kThreads, pred.data_ptr(), label.data_ptr(), gradient.data_ptr(), total, partial.data_ptr());
    } else {
      module.launch("loss_focal", blocks, 1, kThreads, pred.data_ptr(), label.data_ptr(), gradient.data_ptr(), total, static_cast<int>(kind == kRetina), f(first), f(second), f(third),
                    partial.data_ptr());
    }
    module.launch("loss_totals", 1, 1, kThreads, partial.data_ptr(), static_cast<int>(blocks), weight, loss.data_ptr(), factor.data_ptr(), mean.data_ptr());
    ctx->save_for_backward({gradient, factor});
    ctx->mark_non_differentiable({mean});
    ctx->set_materialize_grads(false);  // no zeros for the mean: they would be one kernel more
    return {loss, mean};
  }

  static tensor_list backward(AutogradContext* ctx, tensor_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &gradient = saved[0], &factor = saved[1];
    const at::Tensor upstream = grads[0].contiguous();
    at::Tensor out = at::empty(gradient.sizes(), gradient.options());
    const auto total = static_cast<long long>(gradient.numel());
    loaded_module(kVariant, gradient.device())
        .launch("loss_grad", ceil_div(total, kThreads), 1, kThreads, gradient.data_ptr(), factor.data_ptr(), upstream.data_ptr(), out.data_ptr(), total);
    tensor_list result(8);
    result[0] = out;
    return result;
  }
};

LossValue compute(const at::Tensor& pred, const at::Tensor& target, const at::Tensor& label, const Terms& t) {
  if (!takes(pred) || pred.scalar_type() != at::kFloat || target.device() != pred.device() || label.device() != pred.device() || module_for(kVariant, pred.device()) == nullptr) return {};
  const tensor_list out = PositionLoss::apply(pred, target.to(at::kFloat), label.to(at::kFloat), t.kind, t.weight, t.first, t.second, t.third);
  return {out[0], out[1]};
}

}  // namespace

LossValue focal_loss(const at::Tensor& pred, const at::Tensor& label, const FocalKernelOptions& o) {
  return compute(pred, label, label, {o.probabilities ? kRetina : kFocal, o.weight, o.alpha, o.gamma, o.ignore_label});
}

LossValue centerness_loss(const at::Tensor& pred, const at::Tensor& label, double weight) { return compute(pred, label, label, {kCenterness, weight, 0, 0, 0}); }

LossValue iou_loss(const at::Tensor& pred, const at::Tensor& target, const at::Tensor& label, double weight, double background, double ignore_label) {
  return compute(pred, target, label, {kIou, weight, background, ignore_label, 0});
}

}  // namespace siam::core::cuda
