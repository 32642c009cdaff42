// The classifier's model: what it learns, and what it makes of features.
#pragma once

#include <ATen/core/Tensor.h>

#include "options.h"
#include "taps.h"

namespace siam::tracking::online {

/// Features are [N,S,C]: samples, cells (row-major), channels. One map of the filter is [N,H,W].
struct Model {
  at::Tensor filter;      ///< [T,C], taps × channels
  at::Tensor fc1, fc2;    ///< [C/2,C], [C,C/2]; undefined without attention
  at::Tensor projection;  ///< [C,C0]; undefined where the features are taken as they are
};

/// Projects features and weights them by their attention. @param x [N,S,C0]     @returns [N,S,C]
at::Tensor compress(const at::Tensor& x, const Model& model, const OnlineOptions& options);

/// The filter's response. @param samples [N,S,C]     @returns [N,H,W]
at::Tensor respond(const at::Tensor& samples, const at::Tensor& filter, const Kernel& kernel, int64_t height, int64_t width);

/// Rows of the first principal components [dim,C0] of features [N,S,C0]; each is signed so that its largest element is positive.
at::Tensor principal_components(const at::Tensor& x, int64_t dim);

}  // namespace siam::tracking::online
