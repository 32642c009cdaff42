#include "conjugate_gradient.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace siam::tracking::online {
namespace {

double dot(const Variables& a, const Variables& b) {
  at::Tensor sum;
  for (size_t i = 0; i < a.size(); ++i) {
    const at::Tensor part = (a[i] * b[i]).sum(at::kDouble);
    sum = sum.defined() ? sum + part : part;
  }
  return sum.item<double>();
}

/// a + scale · b.
Variables plus(const Variables& a, const Variables& b, double scale) {
  Variables out;
  for (size_t i = 0; i < a.size(); ++i) out.push_back(at::add(a[i], b[i], scale));
  return out;
}

Variables times(const Variables& a, double scale) {
  Variables out;
  for (const at::Tensor& tensor : a) out.push_back(tensor * scale);
  return out;
}

}  // namespace

Variables ConjugateGradient::solve(const LeastSquares& problem, int64_t steps) {
  if (forget_ == 0) {
    direction_.clear();
    last_residual_.clear();
    rho_ = 1;
  } else if (!direction_.empty()) {
    rho_ /= forget_;
  }
  Variables r = times(problem.gradient(), -1), delta = times(r, 0);
  for (int64_t step = 0; step < steps; ++step) {
    const Variables z = problem.precondition(r);
    const double last = rho_;
    rho_ = dot(r, z);
    if (rho_ == 0) return delta;
    if (direction_.empty()) {
      direction_ = z;
    } else {
      const double gained = fletcher_reeves_ ? rho_ : rho_ - dot(last_residual_, z);
      direction_ = plus(z, direction_, std::max(0.0, gained / last));
    }
    const Variables q = problem.normal(direction_);
    const double curvature = dot(direction_, q);
    // The original divides by it all the same: a direction without curvature makes its filter NaN.
    if (!(curvature > 0)) return delta;
    const double alpha = rho_ / curvature;
    last_residual_ = r;
    delta = plus(delta, direction_, alpha);
    if (step + 1 < steps) r = plus(r, q, -alpha);
  }
  return delta;
}

Variables gauss_newton_step(LeastSquares& problem, ConjugateGradient& solver, const Variables& x, int64_t steps) {
  if (steps == 0) return x;
  problem.linearize(x);
  return plus(x, solver.solve(problem, steps), 1);
}

}  // namespace siam::tracking::online
