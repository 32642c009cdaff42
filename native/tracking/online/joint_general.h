// The joint problem where the projected features pass an activation.
#pragma once

#include <optional>

#include "joint_problem.h"

namespace siam::tracking::online {

class GeneralJointProblem : public JointProblem {
 public:
  GeneralJointProblem(const Samples& samples, const OnlineOptions& options) : JointProblem(samples, options) {}

 private:
  at::Tensor prepare(const Model& model) override;
  at::Tensor tangent(const Model& p) const override;
  Model adjoint(const at::Tensor& cells) const override;

  at::Tensor projected_, projected_slope_;  // [N,S,C], after the activation
  std::optional<ChannelAttention> channel_;
  at::Tensor spatial_slope_;                // [N,S,1]
  at::Tensor weight_;                       // [N,S,C], or what spreads to it: the attention's sum; 1 without any
};

}  // namespace siam::tracking::online
