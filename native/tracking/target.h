// The target's state and how a score map moves it: SiamFC++'s post-processing, without tensors.
#pragma once

#include <cstdint>
#include <vector>

#include "tracker.h"

namespace siam::tracking {

struct TrackerOptions {
  int total_stride = 8;
  double context_amount = 0.5;
  double test_lr = 0.52;           ///< how fast the target's size follows the network
  double penalty_k = 0.04;         ///< how much a change of size or ratio costs
  double window_influence = 0.21;  ///< share of the window (motion model) in the score
  bool cosine_window = true;
  int z_size = 127;
  int x_size = 303;
  int num_conv3x3 = 3;
  double min_w = 10;
  double min_h = 10;

  /// Cells of the score map on each side, for a search crop of `search` pixels.
  int score_size(int search) const { return (search - z_size) / total_stride + 1 - 2 * num_conv3x3; }
  int score_size() const { return score_size(x_size); }
};

/// Centre and size in frame pixels. float32, as the original's state is: it decides boxes (QUIRKS 28).
struct Target {
  float cx, cy, w, h;

  static Target of(const Rect4& box);
  Rect4 box() const;
};

/// Outer product of two Hann windows [size²], row-major; or ones.
/// @param dx, dy  cells that its middle is right of and below the map's; beyond its ends the window is 0
std::vector<double> make_window(int size, bool cosine, double dx = 0, double dy = 0);

/// The scores and boxes of one search crop. Pointers to size() values; not owned.
struct ScoreMap {
  const float* score;      ///< [S²] 0 to 1
  const float* box;        ///< [S²,4] x0,y0,x1,y1 in crop pixels
  const std::vector<double>* window;  ///< [S²]
  const float* other = nullptr;       ///< [S²] 0 to 1, another opinion; none where null
  double other_share = 0;             ///< its share in a cell's score before the window, 0 to 1
  size_t size() const { return window->size(); }
};

/// The cell with the best penalised and windowed score.
/// @param scale_x  crop pixels for each frame pixel     @returns all of a step but its box
/// @throws ERR_NONFINITE when no cell has a box of positive size; `file` names the frame
TrackStep choose(const ScoreMap& map, const Target& prior, float scale_x, double penalty_k, double window_influence, const std::string& file);

/// Where the step moves the target, before limits. @param x_size  side of the search crop     @param rate  share of the new size, 0 to 1
Target moved(const TrackStep& step, const Target& prior, int x_size, float rate);

/// Centre within [0, width] × [0, height], size within [min, width or height]: the original's limits.
Target limited(const Target& target, int width, int height, double min_w, double min_h);

}  // namespace siam::tracking
