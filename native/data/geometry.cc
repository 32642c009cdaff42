#include "geometry.h"

#include <algorithm>
#include <cmath>

#include "../base/error.h"

namespace siam::data {
namespace {

constexpr int kTries = 50;

struct Cxywh {
  float cx, cy, w, h;
};

Cxywh ToCxywh(const Xyxy& b) { return {(b[0] + b[2]) / 2, (b[1] + b[3]) / 2, b[2] - b[0] + 1, b[3] - b[1] + 1}; }

/// Centre and size to corners; the arguments are narrowed first, as numpy's float32 array does.
Xyxy ToXyxy(float cx, float cy, float w, float h) { return {cx - (w - 1) / 2, cy - (h - 1) / 2, cx + (w - 1) / 2, cy + (h - 1) / 2}; }

float ContextSide(float w, float h, float context) {
  const float padded_w = w + context * (w + h);
  const float padded_h = h + context * (w + h);
  return std::sqrt(padded_w * padded_h);
}

bool Inside(const Xyxy& box, int size) {
  return std::all_of(box.begin(), box.end(), [size](float c) { return 0 <= c && c <= static_cast<float>(size - 1); });
}

}  // namespace

const char* BoxProblem(const Xyxy& box) {
  for (const float c : box) {
    if (std::isnan(c)) return "a coordinate is NaN";
    if (std::isinf(c)) return "a coordinate is infinite";
  }
  if (!(box[2] - box[0] + 1 > 0)) return "its width is not positive";
  if (!(box[3] - box[1] + 1 > 0)) return "its height is not positive";
  return nullptr;
}

PairGeometry CropTrackPair(const Xyxy& box_z, const Xyxy& box_x, const CropConfig& config, const std::function<double()>& uniform) {
  const Cxywh z = ToCxywh(box_z), x = ToCxywh(box_x);
  const float context = static_cast<float>(config.context_amount);
  const float side_z = ContextSide(z.w, z.h, context), side_x = ContextSide(x.w, x.h, context);
  if (!(side_z > 0) || !(side_x > 0) || std::isinf(side_z) || std::isinf(side_x)) {
    throw SiamException("ERR_DATA", "Expected boxes of positive size for a crop");
  }
  const float base_z = static_cast<float>(config.z_size) / side_z;
  const float base_x = static_cast<float>(config.z_size) / side_x;

  PairGeometry out;
  const auto draw = [&](double low, double high) {
    ++out.draws;
    return low + (high - low) * uniform();
  };
  for (int attempt = 0; attempt <= kTries; ++attempt) {
    const bool augment = attempt < kTries;
    // The search side is float32 throughout, the template side float64 once the logarithm has made its scale a float64 (numpy 2).
    float scale_x = base_x;
    double scale_z = base_z;
    double size_z = static_cast<float>(config.z_size) / base_z;
    if (augment) {
      const double s = 1 + config.max_scale, t = 1 + config.max_scale_temp;
      scale_x = base_x / static_cast<float>(draw(1 / s, s));
      scale_z = static_cast<double>(base_z) / std::exp(draw(std::log(1 / t), std::log(t)));
      size_z = config.z_size / scale_z;
    }
    const float size_x = static_cast<float>(config.x_size) / scale_x;
    float dx = 0, dy = 0;
    double dx_z = 0, dy_z = 0;
    if (augment) {
      dx = static_cast<float>(draw(-config.max_shift, config.max_shift)) * size_x / 2;
      dy = static_cast<float>(draw(-config.max_shift, config.max_shift)) * size_x / 2;
      dx_z = draw(-config.max_shift_temp, config.max_shift_temp) * size_z / 2;
      dy_z = draw(-config.max_shift_temp, config.max_shift_temp) * size_z / 2;
    }
    out.z = {z.cx - dx_z, z.cy - dy_z, size_z, config.z_size};
    out.x = {x.cx - dx, x.cy - dy, size_x, config.x_size};

    const double middle_z = (config.z_size - 1) / 2.0, middle_x = (config.x_size - 1) / 2.0;
    out.bbox_z = ToXyxy(static_cast<float>(middle_z + dx_z * scale_z), static_cast<float>(middle_z + dy_z * scale_z),
                        static_cast<float>(z.w * scale_z), static_cast<float>(z.h * scale_z));
    out.bbox_x = ToXyxy(static_cast<float>(middle_x + dx * scale_x), static_cast<float>(middle_x + dy * scale_x), x.w * scale_x,
                        x.h * scale_x);
    if (Inside(out.bbox_z, config.z_size) && Inside(out.bbox_x, config.x_size)) break;
  }
  return out;
}

WarpAxes WarpOf(const CropSquare& crop) {
  const float size = static_cast<float>(crop.size);
  const Xyxy corners = ToXyxy(static_cast<float>(crop.cx), static_cast<float>(crop.cy), size, size);
  const float last = static_cast<float>(crop.out_size - 1);
  return {corners[0], corners[1], (corners[2] - corners[0]) / last, (corners[3] - corners[1]) / last};
}

Rect Footprint(const CropSquare& crop) {
  const WarpAxes warp = WarpOf(crop);
  const auto clamp = [](double value) { return static_cast<int>(std::clamp(value, -1e9, 1e9)); };
  const double last = crop.out_size - 1;
  // A step may be negative (crops narrower than a pixel), so both ends are candidates.
  const double xa = warp.origin_x, xb = warp.origin_x + warp.step_x * last;
  const double ya = warp.origin_y, yb = warp.origin_y + warp.step_y * last;
  const int x0 = clamp(std::floor(std::min(xa, xb))), x1 = clamp(std::floor(std::max(xa, xb))) + 1;
  const int y0 = clamp(std::floor(std::min(ya, yb))), y1 = clamp(std::floor(std::max(ya, yb))) + 1;
  return {x0, y0, x1 - x0 + 1, y1 - y0 + 1};
}

namespace {

template <typename Real>
TrackingCrop CropSizeAs(Real w, Real h, Real context, Real z_size, Real x_size) {
  const Real wc = w + context * (w + h);
  const Real hc = h + context * (w + h);
  const Real scale = z_size / std::sqrt(wc * hc);
  return {static_cast<double>(scale), static_cast<int64_t>(std::nearbyint(static_cast<double>(x_size / scale)))};
}

}  // namespace

TrackingCrop TrackingCropSize(double w, double h, double context_amount, int z_size, int x_size, bool float32) {
  if (float32) {
    return CropSizeAs<float>(static_cast<float>(w), static_cast<float>(h), static_cast<float>(context_amount),
                             static_cast<float>(z_size), static_cast<float>(x_size));
  }
  return CropSizeAs<double>(w, h, context_amount, z_size, x_size);
}

}  // namespace siam::data
