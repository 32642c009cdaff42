// Images on CUDA as the first convolution takes them; see kernels/image.cu.
#pragma once

#include <ATen/ATen.h>

#include <array>

#include "../conv_bn_relu.h"

namespace siam::core::cuda {

/// Value of channel c: (pixel / divisor − mean[c]) / deviation[c], of RGB where blue and red are exchanged.
struct ImageNormal {
  float divisor = 1;
  std::array<float, 3> mean{0, 0, 0}, deviation{1, 1, 1};
  bool swap = false;
};

/// The image as the mode has it, channels_last: in its dtype, folded where it says so (stem_fold.h).
/// @param image [N,3,H,W], uint8 or float32     @returns an undefined tensor where our kernels do not take the image or the mode
at::Tensor image(const at::Tensor& image, const ComputeMode& mode, const ImageNormal& normal);

/// @param channels  of the result, ≥ 3; those behind the image's own are 0     @returns [N,channels,H,W]
at::Tensor image_pixels(const at::Tensor& image, at::ScalarType dtype, const ImageNormal& normal, int64_t channels = 3);

}  // namespace siam::core::cuda
