#include "target.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "../base/error.h"

namespace siam::tracking {
namespace {

float change(float ratio) { return std::max(ratio, 1.0F / ratio); }

/// Side of the square that a target with its context fills.
float padded_side(float w, float h) {
  const float pad = (w + h) * 0.5F;
  return std::sqrt((w + pad) * (h + pad));
}

}  // namespace

Target Target::of(const Rect4& box) {
  const float x = static_cast<float>(box[0]), y = static_cast<float>(box[1]), w = static_cast<float>(box[2]), h = static_cast<float>(box[3]);
  return {x + (w - 1) / 2, y + (h - 1) / 2, w, h};
}

Rect4 Target::box() const { return {cx - (w - 1) / 2, cy - (h - 1) / 2, w, h}; }

std::vector<double> make_window(int size, bool cosine, double dx, double dy) {
  const auto hann = [&](double shift) {
    std::vector<double> line(static_cast<size_t>(size), 1.0);
    if (!cosine || size <= 1) return line;
    for (int i = 0; i < size; ++i) {
      const double at = 2.0 * (i - shift) + 1 - size;
      line[static_cast<size_t>(i)] = std::abs(at) > size - 1 ? 0 : 0.5 + 0.5 * std::cos(M_PI * at / (size - 1));
    }
    return line;
  };
  const std::vector<double> rows = hann(dy), columns = hann(dx);
  std::vector<double> window;
  for (const double y : rows) {
    for (const double x : columns) window.push_back(y * x);
  }
  return window;
}

TrackStep choose(const ScoreMap& map, const Target& prior, float scale_x, double penalty_k, double window_influence, const std::string& file) {
  const float prior_w = prior.w * scale_x, prior_h = prior.h * scale_x;
  const float prior_side = padded_side(prior_w, prior_h), prior_ratio = prior_w / prior_h;
  const float cost = static_cast<float>(penalty_k);
  const float share = static_cast<float>(1 - window_influence);
  const float own = static_cast<float>(1 - map.other_share), others = static_cast<float>(map.other_share);

  TrackStep best;
  best.pscore = -std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < map.size(); ++i) {
    const float* corners = map.box + 4 * i;
    const float w = corners[2] - corners[0] + 1, h = corners[3] - corners[1] + 1;
    const float penalty = std::exp(-(change(prior_ratio / (w / h)) * change(padded_side(w, h) / prior_side) - 1) * cost);
    float seen = penalty * map.score[i];
    if (map.other != nullptr) seen = own * seen + others * map.other[i];
    const double pscore = static_cast<double>(seen * share) + (*map.window)[i] * window_influence;
    if (pscore > best.pscore) {
      best.pscore = pscore;
      best.best_index = static_cast<int64_t>(i);
      best.score = map.score[i];
      best.penalty = penalty;
      best.box_in_crop = {(corners[0] + corners[2]) / 2, (corners[1] + corners[3]) / 2, w, h};
    }
  }
  // A head whose boxes are all inside out (w or h below zero) makes every padded side NaN.
  if (!std::isfinite(best.pscore)) throw SiamException("ERR_NONFINITE", "update: no cell of the score map has a box of positive size", file);
  best.scale_x = scale_x;
  return best;
}

Target moved(const TrackStep& step, const Target& prior, int x_size, float rate) {
  const float scale = static_cast<float>(step.scale_x);
  const auto in_frame = [&](size_t i) { return static_cast<float>(step.box_in_crop[i]) / scale; };
  const float middle = static_cast<float>(x_size / 2) / scale;
  return {in_frame(0) + prior.cx - middle, in_frame(1) + prior.cy - middle, prior.w * (1 - rate) + in_frame(2) * rate, prior.h * (1 - rate) + in_frame(3) * rate};
}

Target limited(const Target& target, int width, int height, double min_w, double min_h) {
  const float right = static_cast<float>(width), bottom = static_cast<float>(height);
  return {std::max(0.0F, std::min(right, target.cx)), std::max(0.0F, std::min(bottom, target.cy)),
          std::max(static_cast<float>(min_w), std::min(right, target.w)), std::max(static_cast<float>(min_h), std::min(bottom, target.h))};
}

}  // namespace siam::tracking
