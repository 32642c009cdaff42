// Depthwise correlation on CUDA; see kernels/xcorr.cu.
#pragma once

#include <ATen/ATen.h>

namespace siam::core::cuda {

/// As core::xcorr_depthwise, of checked tensors. @returns an undefined tensor where our kernels do not take them: then nothing has been done
at::Tensor xcorr_depthwise(const at::Tensor& x, const at::Tensor& k);

}  // namespace siam::core::cuda
