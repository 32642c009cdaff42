// BatchNorm, ReLU and pooling on CUDA, channels_last; see kernels/batch_norm.cu, kernels/norm_pool.cu.
#pragma once

#include "../norm_act.h"

namespace siam::core::cuda {

/// As core::batch_norm_act. @returns an undefined tensor where our kernels do not take x: then nothing has been done
at::Tensor batch_norm_act(const at::Tensor& x, const std::optional<at::Tensor>& conv_bias, NormState& state, bool training, bool relu);

/// As core::batch_norm_relu_pool. @returns an undefined tensor where our kernels do not take x: then nothing has been done
at::Tensor batch_norm_relu_pool(const at::Tensor& x, const std::optional<at::Tensor>& conv_bias, NormState& state, bool training, const PoolShape& pool);

}  // namespace siam::core::cuda
