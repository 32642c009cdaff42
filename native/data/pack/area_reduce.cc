#include "area_reduce.h"

#include <algorithm>
#include <cmath>

namespace siam::data {
namespace {

/// The source pixels that [from, to) covers, with the share of each.
struct Cover {
  int first;
  int count;
};

Cover CoverOf(double from, double to, int size, std::vector<float>& weights) {
  const int first = std::clamp(static_cast<int>(std::floor(from)), 0, size - 1);
  // A hair's breadth of the next pixel is rounding, not coverage.
  const int end = std::clamp(static_cast<int>(std::ceil(to - 1e-9)), first + 1, size);
  const float inverse = static_cast<float>(1 / (to - from));
  for (int i = first; i < end; ++i) {
    const double share = std::min(to, i + 1.0) - std::max(from, static_cast<double>(i));
    weights.push_back(static_cast<float>(share) * inverse);
  }
  return {first, end - first};
}

void AddRow(const uint8_t* row, float weight, size_t values, float* sums) {
#pragma omp simd
  for (size_t i = 0; i < values; ++i) sums[i] += weight * static_cast<float>(row[i]);
}

void SetRow(const uint8_t* row, float weight, size_t values, float* sums) {
#pragma omp simd
  for (size_t i = 0; i < values; ++i) sums[i] = weight * static_cast<float>(row[i]);
}

uint8_t Round(float value) { return static_cast<uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f)); }

}  // namespace

void ReduceArea(const FrameView& frame, const PicturePlan& plan, ReduceScratch& scratch, uint8_t* out) {
  const double step_x = (plan.right - plan.left) / plan.width, step_y = (plan.bottom - plan.top) / plan.height;
  scratch.first.resize(static_cast<size_t>(plan.width));
  scratch.count.resize(static_cast<size_t>(plan.width));
  scratch.weights.clear();
  for (int i = 0; i < plan.width; ++i) {
    const Cover cover = CoverOf(plan.left + step_x * i, plan.left + step_x * (i + 1), frame.frame_width, scratch.weights);
    scratch.first[static_cast<size_t>(i)] = cover.first;
    scratch.count[static_cast<size_t>(i)] = cover.count;
  }
  const int x0 = scratch.first.front(), x1 = scratch.first.back() + scratch.count.back();
  const size_t values = static_cast<size_t>(x1 - x0) * 3;
  scratch.columns.resize(values);
  std::vector<float> row_weights;
  for (int j = 0; j < plan.height; ++j) {
    row_weights.clear();
    const Cover cover = CoverOf(plan.top + step_y * j, plan.top + step_y * (j + 1), frame.frame_height, row_weights);
    for (int k = 0; k < cover.count; ++k) {
      const uint8_t* row = frame.pixels + frame.stride * static_cast<size_t>(cover.first + k) + static_cast<size_t>(x0) * 3;
      (k == 0 ? SetRow : AddRow)(row, row_weights[static_cast<size_t>(k)], values, scratch.columns.data());
    }
    const float* weight = scratch.weights.data();
    for (size_t i = 0; i < static_cast<size_t>(plan.width); ++i, out += 3) {
      const float* column = scratch.columns.data() + static_cast<size_t>(scratch.first[i] - x0) * 3;
      float b = 0, g = 0, r = 0;
      for (int k = 0; k < scratch.count[i]; ++k, column += 3, ++weight) {
        b += *weight * column[0];
        g += *weight * column[1];
        r += *weight * column[2];
      }
      out[0] = Round(b);
      out[1] = Round(g);
      out[2] = Round(r);
    }
  }
}

}  // namespace siam::data
