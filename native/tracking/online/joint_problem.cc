#include "joint_problem.h"

#include <ATen/ATen.h>

#include "joint_general.h"
#include "joint_linear.h"

namespace siam::tracking::online {

std::unique_ptr<JointProblem> JointProblem::make(const Samples& samples, const OnlineOptions& options) {
  if (options.projection_activation.kind == Activation::Kind::kNone) return std::make_unique<LinearJointProblem>(samples, options);
  return std::make_unique<GeneralJointProblem>(samples, options);
}

JointProblem::JointProblem(const Samples& samples, const OnlineOptions& options)
    : samples_(samples), options_(options), kernel_{options.kernel_rows, options.kernel_columns}, root_(samples.weights.sqrt().view({-1, 1, 1})) {}

Variables JointProblem::pack(const Model& model) const {
  if (!options_.attends()) return {model.filter, model.projection};
  return {model.filter, model.fc2, model.fc1, model.projection};
}

Model JointProblem::unpack(const Variables& x) const {
  Model model;
  model.filter = x.front();
  model.projection = x.back();
  if (options_.attends()) {
    model.fc2 = x[1];
    model.fc1 = x[2];
  }
  return model;
}

void JointProblem::linearize(const Variables& x) {
  x_ = x;
  at_ = unpack(x);
  const at::Tensor response = prepare(at_);
  residual_ = root_ * (options_.response_activation.value(response) - samples_.y);
  slope_ = root_ * options_.response_activation.slope(response);
}

double JointProblem::loss() const {
  double sum = (residual_ * residual_).sum(at::kDouble).item<double>();
  for (size_t i = 0; i < x_.size(); ++i) sum += reg(i) * (x_[i] * x_[i]).sum(at::kDouble).item<double>();
  return sum;
}

Variables JointProblem::gradient() const {
  Variables out = pack(adjoint(slope_ * residual_));
  for (size_t i = 0; i < out.size(); ++i) out[i] = at::add(out[i], x_[i], reg(i));
  return out;
}

Variables JointProblem::normal(const Variables& p) const {
  Variables out = pack(adjoint(slope_ * slope_ * tangent(unpack(p))));
  for (size_t i = 0; i < out.size(); ++i) out[i] = at::add(out[i], p[i], reg(i));
  return out;
}

Variables JointProblem::precondition(const Variables& r) const {
  Variables out;
  for (size_t i = 0; i < r.size(); ++i) out.push_back(r[i] / reg(i));
  return out;
}

}  // namespace siam::tracking::online
