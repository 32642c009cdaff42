// Labels of a search crop on the score grid (DenseboxTarget).
#pragma once

#include "geometry.h"

namespace siam::data {

struct TargetConfig {
  int total_stride = 8;
  int score_size = 17;
  int x_size = 303;

  /// Pixel of the search crop that the first grid point looks at.
  int Offset() const { return (x_size - 1 - (score_size - 1) * total_stride) / 2; }
  int Points() const { return score_size * score_size; }
};

/// Writes the labels, row by row of the grid.
/// @param cls [S²] 1 inside the box, 0 outside; of a negative pair 0 inside and -1 (ignored) outside (QUIRKS 5)
/// @param ctr [S²] centerness, 0 outside     @param box [S²,4] the box, 0 outside; both the same for negative pairs
/// Parity: test/golden/target (QUIRKS 9: strictly inside).
void DenseboxTarget(const Xyxy& bbox, const TargetConfig& config, bool negative_pair, float* cls, float* ctr, float* box);

}  // namespace siam::data
