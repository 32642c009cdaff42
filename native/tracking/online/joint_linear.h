// The joint problem where the projection has no activation of its own.
#pragma once

#include <optional>

#include "joint_problem.h"

namespace siam::tracking::online {

/// Projection and filter are then one linear map but for the attention's weights: the derivatives need products of the features with
/// matrices of T columns, never the projected features themselves (C columns). A quarter of the arithmetic of GeneralJointProblem.
class LinearJointProblem : public JointProblem {
 public:
  LinearJointProblem(const Samples& samples, const OnlineOptions& options);

 private:
  at::Tensor prepare(const Model& model) override;
  at::Tensor tangent(const Model& p) const override;
  Model adjoint(const at::Tensor& cells) const override;

  at::Tensor mean_x_;            // [N,C0], over the cells
  std::optional<ChannelAttention> channel_;
  at::Tensor spatial_;           // [N,S,1], 0 to 1; all ones without attention
  at::Tensor spatial_slope_;     // [N,S,1]
  at::Tensor taps_;              // [N,S,T], each tap's response to the projected features
};

}  // namespace siam::tracking::online
