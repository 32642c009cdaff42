#include "warp_taps.h"

#include <algorithm>
#include <cmath>

namespace siam::data {

AxisTap WarpAxis::At(int out_index) const {
  const double at = origin + step * out_index, last = extent - 1;
  AxisTap tap;
  // Written so that NaN is outside too.
  if (!(at > -1 && at < extent)) {
    tap.left = begin;
    tap.side = FrameSide::kOutside;
    return tap;
  }
  if (at < 0) {
    tap.side = FrameSide::kBefore;
    tap.blend = static_cast<float>(at - std::floor(at));
  } else if (at > last) {
    tap.side = FrameSide::kAfter;
    tap.blend = static_cast<float>(at - std::floor(at));
  }
  const double source = std::clamp((std::clamp(at, 0.0, last) - grid.origin) / grid.step, static_cast<double>(begin), static_cast<double>(end - 1));
  const double below = std::floor(source);
  tap.left = static_cast<int>(below);
  tap.weight = static_cast<float>(source - below);
  return tap;
}

}  // namespace siam::data
