#include "joint_linear.h"

#include <ATen/ATen.h>

namespace siam::tracking::online {

// Shapes: N samples, S cells, C0 channels of the features x, C of the projected ones, T taps. The projected features are a = x Pᵀ, their
// weights s (a cell's) + c (a channel's), the response of tap t to a cell is Σ_c f[t,c] a[c] (s + c[c]):
//   maps = s · (x Pᵀ fᵀ) + x Pᵀ (c ∘ f)ᵀ        [N,S,T]
// Without attention s is 1 and c is 0.

LinearJointProblem::LinearJointProblem(const Samples& samples, const OnlineOptions& options) : JointProblem(samples, options), mean_x_(samples.x.mean({1})) {}

at::Tensor LinearJointProblem::prepare(const Model& model) {
  const at::Tensor& x = samples_.x;
  const int64_t samples = x.size(0), cells = x.size(1);
  spatial_slope_ = at::Tensor();
  if (!options_.attends()) {
    spatial_ = at::ones({samples, cells, 1}, x.options());
  } else if (options_.spatial_attention) {
    spatial_ = at::sigmoid(at::matmul(x, model.projection.mean({0}).unsqueeze(1)));
    spatial_slope_ = spatial_ * (1 - spatial_);
  } else {
    spatial_ = at::zeros({samples, cells, 1}, x.options());
  }
  taps_ = at::matmul(x, at::mm(model.projection.t(), model.filter.t()));
  at::Tensor maps = spatial_ * taps_;
  channel_.reset();
  if (options_.attends() && options_.channel_attention) {
    channel_.emplace(at::mm(mean_x_, model.projection.t()), model.fc1, model.fc2, options_.attention_activation);
    maps = maps + at::bmm(x, at::matmul(model.projection.t(), (channel_->value().unsqueeze(1) * model.filter).transpose(1, 2)));
  }
  return gather_taps(maps.permute({2, 0, 1}).reshape({kernel_.taps(), samples, samples_.y.size(1), samples_.y.size(2)}), kernel_);
}

at::Tensor LinearJointProblem::tangent(const Model& p) const {
  const at::Tensor& x = samples_.x;
  // One product with the features for what all samples share: T taps, and the mean over the channels for the cells' weights.
  at::Tensor shared = at::mm(p.projection.t(), at_.filter.t()) + at::mm(at_.projection.t(), p.filter.t());
  if (spatial_slope_.defined()) shared = at::cat({shared, p.projection.mean({0}).unsqueeze(1)}, 1);
  const at::Tensor products = at::matmul(x, shared);
  at::Tensor maps = spatial_ * products.narrow(2, 0, kernel_.taps());
  if (spatial_slope_.defined()) maps = maps + spatial_slope_ * products.narrow(2, kernel_.taps(), 1) * taps_;
  if (channel_) {
    const at::Tensor value = channel_->value().unsqueeze(1);
    const at::Tensor change = channel_->tangent(at::mm(mean_x_, p.projection.t()), p.fc1, p.fc2).unsqueeze(1);
    const at::Tensor own = at::matmul(p.projection.t(), (value * at_.filter).transpose(1, 2)) +
                           at::matmul(at_.projection.t(), (change * at_.filter + value * p.filter).transpose(1, 2));
    maps = maps + at::bmm(x, own);
  }
  return gather_taps(maps.permute({2, 0, 1}).reshape({kernel_.taps(), x.size(0), samples_.y.size(1), samples_.y.size(2)}), kernel_);
}

Model LinearJointProblem::adjoint(const at::Tensor& cells) const {
  const at::Tensor& x = samples_.x;
  const int64_t samples = x.size(0), channels = at_.projection.size(0);
  const at::Tensor maps = spread_taps(cells, kernel_).view({kernel_.taps(), samples, -1}).permute({1, 2, 0}).contiguous();  // [N,S,T]
  at::Tensor weighted = spatial_ * maps;
  if (spatial_slope_.defined()) weighted = at::cat({weighted, spatial_slope_ * (maps * taps_).sum({2}, true) / channels}, 2);
  const at::Tensor products = at::mm(x.reshape({-1, x.size(2)}).t(), weighted.reshape({-1, weighted.size(2)}));  // [C0, T or T + 1]
  const at::Tensor shared = products.narrow(1, 0, kernel_.taps());
  Model out;
  out.filter = at::mm(at_.projection, shared).t();
  out.projection = at::mm(at_.filter.t(), shared.t());
  if (spatial_slope_.defined()) out.projection = out.projection + products.narrow(1, kernel_.taps(), 1).t();
  if (channel_) {
    const at::Tensor own = at::bmm(x.transpose(1, 2), maps);                                  // [N,C0,T]
    const at::Tensor projected = at::matmul(at_.projection, own).transpose(1, 2);             // [N,T,C]
    const at::Tensor value = channel_->value().unsqueeze(1);
    out.filter = out.filter + (value * projected).sum({0});
    const auto attention = channel_->adjoint((at_.filter * projected).sum({1}));
    out.fc1 = attention.fc1;
    out.fc2 = attention.fc2;
    const at::Tensor left = (value * at_.filter).reshape({-1, channels});                     // [N T, C]
    out.projection = out.projection + at::mm(left.t(), own.transpose(1, 2).reshape({-1, x.size(2)})) + at::mm(attention.mean.t(), mean_x_);
  } else if (options_.attends()) {
    out.fc1 = at::zeros_like(at_.fc1);
    out.fc2 = at::zeros_like(at_.fc2);
  }
  return out;
}

}  // namespace siam::tracking::online
