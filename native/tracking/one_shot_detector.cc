#include "one_shot_detector.h"

#include <algorithm>

namespace siam::tracking {
namespace {

/// Farther than any frame reaches: only what would leave the range of the pixel arithmetic is cut.
constexpr float kFar = 1 << 16;

}  // namespace

Target OneShotDetector::next(const TrackStep& step, const Target& prior) {
  const Target found = moved(step, prior, search_size(), 1);
  return {std::clamp(found.cx, -kFar, kFar), std::clamp(found.cy, -kFar, kFar), std::clamp(found.w, 1.0F, kFar), std::clamp(found.h, 1.0F, kFar)};
}

}  // namespace siam::tracking
