// Images on CUDA as the first convolution takes them; see kernels/image.cu.
#pragma once

#include <ATen/ATen.h>

#include <array>

namespace siam::core::cuda {

/// Value of channel c: (pixel / divisor − mean[c]) / deviation[c], of RGB where blue and red are exchanged.
struct ImageNormal {
  float divisor = 1;
  std::array<float, 3> mean{0, 0, 0}, deviation{1, 1, 1};
  bool swap = false;
};

/// @param image [N,3,H,W], uint8 or float32     @param channels  of the result, ≥ 3; those behind the image's own are 0
/// @returns [N,channels,H,W] channels_last, or an undefined tensor where our kernels do not take the image
at::Tensor image_pixels(const at::Tensor& image, at::ScalarType dtype, const ImageNormal& normal, int64_t channels = 3);

/// SIAMFCPP_CUDA_BLOCKS=0 in the environment keeps the first convolution as it is.
bool blocks_wanted();

constexpr int64_t kBlockChannels = 16;  // 12, and 4 zeros that make them a multiple of 8
/// Blocks of 2×2 pixels as pixels of 16 channels: a convolution of stride 2 over the image is one of stride 1 over these (block_weight), with
/// enough channels for tensor cores. 16-bit dtypes only.
/// @returns [N,16,⌈H/2⌉,⌈W/2⌉] channels_last, or an undefined tensor where our kernels do not take the image
at::Tensor image_blocks(const at::Tensor& image, at::ScalarType dtype, const ImageNormal& normal);
/// The kernel that fits: [O,3,k,k], k odd, of stride 2 without padding → [O,16,⌈k/2⌉,⌈k/2⌉] of stride 1, channels_last. Differentiable.
at::Tensor block_weight(const at::Tensor& weight);

}  // namespace siam::core::cuda
