#pragma once

#include <ATen/core/Tensor.h>

namespace siam::core {

/// Mean over 3×3 cells, stride 1, with a border of zeros that counts: torch's avg_pool2d(3, 1, 1).
///
/// On a GPU its gradient is the same operation over the gradient, as it is symmetric, and not torch's own: in channels_last that one forgets the
/// border (libtorch 2.11, avg_pool2d_backward_out_cuda_frame_nhwc), so that gradients arrive one cell aside. GoogLeNet's were wrong by half.
/// @param x [N,C,H,W]     @returns [N,C,H,W]
/// Parity: test/golden/forward-deep, test/gpu/golden-network-deep. Thread: engine.
at::Tensor average_pool_3x3(const at::Tensor& x);

}  // namespace siam::core
