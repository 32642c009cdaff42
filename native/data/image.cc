#include "image.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "warp_kernels.h"

namespace siam::data {
namespace {

/// First pixel and count of one axis.
std::pair<int, int> ToPicture(const GridAxis& grid, int first, int count) {
  // Far outside of any picture; the clamp only keeps the conversion defined.
  const auto whole = [](double at) { return static_cast<int>(std::clamp(at, -1e9, 1e9)); };
  const int low = whole(std::floor((first - grid.origin) / grid.step));
  const int high = whole(std::ceil((first + (count - 1.0) - grid.origin) / grid.step));
  return {low, high - low + 1};
}

}  // namespace

Rect ToPicture(const PixelGrid& grid, const Rect& part) {
  const auto [x, width] = ToPicture(grid.x, part.x, part.width);
  const auto [y, height] = ToPicture(grid.y, part.y, part.height);
  return {x, y, width, height};
}

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
