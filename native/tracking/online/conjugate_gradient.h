// Conjugate gradients on linearised least-squares problems: one linearisation is one Gauss-Newton step.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace siam::tracking::online {

/// A problem's variables, or a direction among them.
using Variables = std::vector<at::Tensor>;

/// Minimises ‖f(x)‖². J is f's Jacobian where the problem was linearised last.
class LeastSquares {
 public:
  virtual ~LeastSquares() = default;
  virtual void linearize(const Variables& x) = 0;
  /// ‖f‖² there.
  virtual double loss() const = 0;
  /// Jᵀ f.
  virtual Variables gradient() const = 0;
  /// Jᵀ J p.
  virtual Variables normal(const Variables& p) const = 0;
  /// An approximation of (Jᵀ J)⁻¹ r.
  virtual Variables precondition(const Variables& r) const { return r; }
};

/// Solves Jᵀ J Δ = −Jᵀ f. Its state can be copied and put back: tensors are replaced, never written to.
class ConjugateGradient {
 public:
  /// @param fletcher_reeves  the formula for β; Polak-Ribière's otherwise
  /// @param forget  how much of the last run's direction the next one goes on from, 0 to 1; 0: every run begins anew
  ConjugateGradient(bool fletcher_reeves, double forget) : fletcher_reeves_(fletcher_reeves), forget_(forget) {}

  /// @returns Δ after so many steps, fewer where there is nothing left to gain
  Variables solve(const LeastSquares& problem, int64_t steps);

 private:
  bool fletcher_reeves_;
  double forget_;
  Variables direction_, last_residual_;
  double rho_ = 1;
};

/// x + Δ of one Gauss-Newton step of `steps` conjugate-gradient steps.
Variables gauss_newton_step(LeastSquares& problem, ConjugateGradient& solver, const Variables& x, int64_t steps);

}  // namespace siam::tracking::online
