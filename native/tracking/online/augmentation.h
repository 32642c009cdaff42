// The first frame's crop, shifted, mirrored, blurred, scaled and rotated.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "options.h"

namespace siam::tracking::online {

struct AugmentedImages {
  at::Tensor images;         ///< [N,3,side,side]; the first is the crop itself
  std::vector<Pair> shifts;  ///< where the target's centre went, pixels
};

/// @param image  [1,3,E,E] floating point, E ≥ side: the target is in its middle     @param side  of what comes out
/// Blurs see zeros outside of the image, rotations its edge; both are computed on the whole image before a sample is cut from it.
/// Source: ATOM (CVPR 2019) §3.3 and the original's augmentation; parity: test/native/online-augmentation. Thread: engine.
AugmentedImages augment(const at::Tensor& image, int64_t side, const AugmentationOptions& options, uint64_t seed);

/// Copies of a sample [1,C,H,W], each without some channels; those that stay are raised so that the mean does too. @returns [count,C,H,W]
at::Tensor channel_dropout(const at::Tensor& sample, int64_t count, double rate, uint64_t seed);

}  // namespace siam::tracking::online
