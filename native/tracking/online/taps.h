// A filter's taps: correlation of "same" size as sums of shifted maps.
#pragma once

#include <ATen/core/Tensor.h>

namespace siam::tracking::online {

/// Size of the filter. Tap t = row · columns + column looks row − rows / 2 below and column − columns / 2 right of its cell.
struct Kernel {
  int64_t rows = 4, columns = 4;
  int64_t taps() const { return rows * columns; }
};

/// @param maps [T,N,H,W], the response to each tap alone     @returns [N,H,W], the filter's: each map moved to where its tap looks from
at::Tensor gather_taps(const at::Tensor& maps, const Kernel& kernel);
/// The adjoint of gather_taps. @param cells [N,H,W]     @returns [T,N,H,W]
at::Tensor spread_taps(const at::Tensor& cells, const Kernel& kernel);

}  // namespace siam::tracking::online
