// Learning projection, attention and filter together, on the first frame's samples.
#pragma once

#include <memory>

#include "attention.h"
#include "filter_problem.h"

namespace siam::tracking::online {

/// f = √w · (activation(filter ∗ compress(x)) − y), and √reg times each variable. Variables: filter, then fc2 and fc1 where there is
/// attention, then the projection. The Jacobian is written out below instead of taken from an automatic derivative of one: some ten times
/// faster. Test: test/native/online-classifier compares with automatic derivatives.
class JointProblem : public LeastSquares {
 public:
  /// The problem for these options. @param samples  of features, [N,S,C0]
  static std::unique_ptr<JointProblem> make(const Samples& samples, const OnlineOptions& options);

  Variables pack(const Model& model) const;
  Model unpack(const Variables& x) const;

  void linearize(const Variables& x) override;
  double loss() const override;
  Variables gradient() const override;
  Variables normal(const Variables& p) const override;
  /// Divides by the regularisation, as the original does.
  Variables precondition(const Variables& r) const override;

 protected:
  JointProblem(const Samples& samples, const OnlineOptions& options);

  /// Keeps what the derivatives need. @returns the response [N,H,W] before its activation
  virtual at::Tensor prepare(const Model& model) = 0;
  /// How the response changes with the model. @returns [N,H,W]
  virtual at::Tensor tangent(const Model& p) const = 0;
  /// The adjoint of tangent(). @param cells [N,H,W]
  virtual Model adjoint(const at::Tensor& cells) const = 0;

  const Samples samples_;
  const OnlineOptions options_;
  const Kernel kernel_;
  Model at_;

 private:
  double reg(size_t variable) const { return variable == 0 ? options_.filter_reg : options_.projection_reg; }

  Variables x_;
  at::Tensor root_, residual_, slope_;
};

}  // namespace siam::tracking::online
