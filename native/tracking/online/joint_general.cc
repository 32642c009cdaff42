#include "joint_general.h"

#include <ATen/ATen.h>

namespace siam::tracking::online {

at::Tensor GeneralJointProblem::prepare(const Model& model) {
  const at::Tensor before = at::matmul(samples_.x, model.projection.t());
  projected_ = options_.projection_activation.value(before);
  projected_slope_ = options_.projection_activation.slope(before);
  channel_.reset();
  spatial_slope_ = at::Tensor();
  weight_ = options_.attends() ? at::zeros({1, 1, 1}, before.options()) : at::ones({1, 1, 1}, before.options());
  if (options_.attends() && options_.spatial_attention) {
    const at::Tensor spatial = at::sigmoid(projected_.mean({2}, true));
    spatial_slope_ = spatial * (1 - spatial);
    weight_ = weight_ + spatial;
  }
  if (options_.attends() && options_.channel_attention) {
    channel_.emplace(projected_.mean({1}), model.fc1, model.fc2, options_.attention_activation);
    weight_ = weight_ + channel_->value().unsqueeze(1);
  }
  return respond(projected_ * weight_, model.filter, kernel_, samples_.y.size(1), samples_.y.size(2));
}

at::Tensor GeneralJointProblem::tangent(const Model& p) const {
  const at::Tensor projected = projected_slope_ * at::matmul(samples_.x, p.projection.t());
  at::Tensor compressed = projected * weight_;
  if (spatial_slope_.defined()) compressed = compressed + projected_ * (spatial_slope_ * projected.mean({2}, true));
  if (channel_) compressed = compressed + projected_ * channel_->tangent(projected.mean({1}), p.fc1, p.fc2).unsqueeze(1);
  const int64_t height = samples_.y.size(1), width = samples_.y.size(2);
  return respond(compressed, at_.filter, kernel_, height, width) + respond(projected_ * weight_, p.filter, kernel_, height, width);
}

Model GeneralJointProblem::adjoint(const at::Tensor& cells) const {
  const int64_t channels = projected_.size(2), count = projected_.size(1);
  const at::Tensor maps = spread_taps(cells, kernel_).view({kernel_.taps(), -1});
  Model out;
  out.filter = at::mm(maps, (projected_ * weight_).reshape({-1, channels}));
  const at::Tensor compressed = at::mm(maps.t(), at_.filter).view_as(projected_);
  at::Tensor projected = compressed * weight_;
  const at::Tensor attended = compressed * projected_;
  if (spatial_slope_.defined()) projected = projected + spatial_slope_ * attended.sum({2}, true) / channels;
  if (channel_) {
    const auto attention = channel_->adjoint(attended.sum({1}));
    out.fc1 = attention.fc1;
    out.fc2 = attention.fc2;
    projected = projected + attention.mean.unsqueeze(1) / count;
  } else if (options_.attends()) {
    out.fc1 = at::zeros_like(at_.fc1);
    out.fc2 = at::zeros_like(at_.fc2);
  }
  out.projection = at::mm((projected_slope_ * projected).reshape({-1, channels}).t(), samples_.x.reshape({-1, samples_.x.size(2)}));
  return out;
}

}  // namespace siam::tracking::online
