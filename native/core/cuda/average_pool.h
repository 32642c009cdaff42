// Average pooling on CUDA, channels_last; see kernels/average_pool.cu.
#pragma once

#include <ATen/ATen.h>

namespace siam::core::cuda {

/// Mean over 3×3 cells, stride 1, border of zeros. @param x [N,C,H,W]     @returns an undefined tensor where our kernels do not take x
at::Tensor mean_3x3(const at::Tensor& x);

}  // namespace siam::core::cuda
