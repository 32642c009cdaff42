// Learning the filter alone, on compressed samples.
#pragma once

#include "conjugate_gradient.h"
#include "model.h"

namespace siam::tracking::online {

/// Samples of one size with labels and weights.
struct Samples {
  at::Tensor x;        ///< [N,S,C], or [N,S,C0] before compression
  at::Tensor y;        ///< [N,H,W]
  at::Tensor weights;  ///< [N]
};

/// f = √w · (activation(filter ∗ x) − y), √reg · filter. Variables: the filter [T,C].
class FilterProblem : public LeastSquares {
 public:
  FilterProblem(const Samples& samples, const OnlineOptions& options);

  void linearize(const Variables& x) override;
  double loss() const override;
  Variables gradient() const override;
  Variables normal(const Variables& p) const override;

 private:
  at::Tensor adjoint(const at::Tensor& cells) const;

  const Samples samples_;
  const Kernel kernel_;
  const Activation activation_;
  const double reg_;
  at::Tensor root_, filter_, residual_, slope_;
};

}  // namespace siam::tracking::online
