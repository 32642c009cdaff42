#include "filter_problem.h"

#include <ATen/ATen.h>

namespace siam::tracking::online {

FilterProblem::FilterProblem(const Samples& samples, const OnlineOptions& options)
    : samples_(samples), kernel_{options.kernel_rows, options.kernel_columns}, activation_(options.response_activation), reg_(options.filter_reg),
      root_(samples.weights.sqrt().view({-1, 1, 1})) {}

void FilterProblem::linearize(const Variables& x) {
  filter_ = x[0];
  const at::Tensor response = respond(samples_.x, filter_, kernel_, samples_.y.size(1), samples_.y.size(2));
  residual_ = root_ * (activation_.value(response) - samples_.y);
  slope_ = root_ * activation_.slope(response);
}

double FilterProblem::loss() const { return (residual_ * residual_).sum(at::kDouble).item<double>() + reg_ * (filter_ * filter_).sum(at::kDouble).item<double>(); }

at::Tensor FilterProblem::adjoint(const at::Tensor& cells) const {
  return at::mm(spread_taps(cells, kernel_).view({kernel_.taps(), -1}), samples_.x.reshape({-1, samples_.x.size(2)}));
}

Variables FilterProblem::gradient() const { return {adjoint(slope_ * residual_) + reg_ * filter_}; }

Variables FilterProblem::normal(const Variables& p) const {
  const at::Tensor response = respond(samples_.x, p[0], kernel_, samples_.y.size(1), samples_.y.size(2));
  return {adjoint(slope_ * slope_ * response) + reg_ * p[0]};
}

}  // namespace siam::tracking::online
