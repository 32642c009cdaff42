#include "image.h"

#include "warp_kernels.h"

namespace siam::data {

Bgr TruncatedMean(const FrameView& frame) {
  uint64_t sums[3] = {0, 0, 0};
  const PixelKernelTable& kernels = PixelKernelsOfThisCpu();
  for (int y = 0; y < frame.region.height; ++y) {
    kernels.add_channels(frame.pixels + frame.stride * static_cast<size_t>(y), static_cast<size_t>(frame.region.width), sums);
  }
  const uint64_t pixels = static_cast<uint64_t>(frame.region.width) * frame.region.height;
  return {static_cast<uint8_t>(sums[0] / pixels), static_cast<uint8_t>(sums[1] / pixels), static_cast<uint8_t>(sums[2] / pixels)};
}

}  // namespace siam::data
