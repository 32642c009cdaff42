#include "target.h"

#include <algorithm>
#include <cmath>

namespace siam::data {

void DenseboxTarget(const Xyxy& bbox, const TargetConfig& config, bool negative_pair, float* cls, float* ctr, float* box) {
  const float inside_label = negative_pair ? 0.0f : 1.0f;
  const float outside_label = negative_pair ? -1.0f : 0.0f;
  const int offset = config.Offset();
  for (int gy = 0; gy < config.score_size; ++gy) {
    const float y = static_cast<float>(offset + gy * config.total_stride);
    const float top = y - bbox[1], bottom = -(y - bbox[3]);
    for (int gx = 0; gx < config.score_size; ++gx) {
      const float x = static_cast<float>(offset + gx * config.total_stride);
      const float left = x - bbox[0], right = -(x - bbox[2]);
      const bool inside = left > 0 && top > 0 && right > 0 && bottom > 0;
      *cls++ = inside ? inside_label : outside_label;
      *ctr++ = inside ? std::sqrt(std::abs((std::min(left, right) * std::min(top, bottom)) /
                                           (std::max(left, right) * std::max(top, bottom) + 1e-5f)))
                      : 0.0f;
      for (const float c : bbox) *box++ = inside ? c : 0.0f;
    }
  }
}

}  // namespace siam::data
