// What every tracker is: a box in the first frame, then a box and a score for each frame after it.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "frame_reader.h"

namespace siam::tracking {

/// x, y, w, h of a rectangle in pixels; x, y is its left-top corner, the centre lies at x + (w − 1) / 2.
using Rect4 = std::array<double, 4>;

struct TrackStep {
  Rect4 box{};               ///< the target in the frame
  double score = 0;          ///< the network's at the chosen cell
  int64_t best_index = 0;    ///< row-major cell of the score map
  double pscore = 0;         ///< the score after penalty and window: what was maximised
  double penalty = 0;
  double scale_x = 0;        ///< crop pixels for each frame pixel
  Rect4 box_in_crop{};       ///< cx, cy, w, h
};

/// Thread: engine.
class Tracker {
 public:
  virtual ~Tracker() = default;

  /// Takes the target's look from its first frame.
  /// @throws ERR_ARGUMENT when the box has no area or lies outside of the frame, and whatever reading the frame throws
  virtual void init(FrameInput frame, const Rect4& box) = 0;

  /// Finds the target in the next frame.
  /// @param prior  where it was, instead of where the last update saw it
  /// @throws ERR_ARGUMENT before init(), ERR_DATA when the frame's size is another than the first one's, ERR_NONFINITE when the
  ///         network's output is; the state then stays that of the last good frame
  virtual TrackStep update(FrameInput frame, const std::optional<Rect4>& prior) = 0;

  /// What the last call looked at, by name, for tests and debugging.
  virtual std::vector<std::pair<std::string, at::Tensor>> debug() const = 0;
};

}  // namespace siam::tracking
