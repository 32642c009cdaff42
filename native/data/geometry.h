// Boxes and crop geometry in the original's arithmetic (QUIRKS 6, 8): float32 boxes, w = x2 - x1 + 1, and the same mixture of float32
// and float64 that numpy 2 evaluates, so that crops land on the same subpixels.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "image.h"

namespace siam::data {

/// x1, y1, x2, y2 in pixels, x2 = x1 + w - 1.
using Xyxy = std::array<float, 4>;

struct CropConfig {
  double context_amount = 0.5;
  double max_scale = 0.3;
  double max_shift = 0.4;
  double max_scale_temp = 0.0;
  double max_shift_temp = 0.0;
  int z_size = 127;
  int x_size = 303;
};

/// A square of the frame that is warped to out_size²: centre and side in pixels.
struct CropSquare {
  double cx = 0;
  double cy = 0;
  double size = 0;
  int out_size = 0;
};

struct PairGeometry {
  CropSquare z;
  CropSquare x;
  Xyxy bbox_z{};  ///< the target in the template crop, pixels
  Xyxy bbox_x{};  ///< the target in the search crop, pixels
  int draws = 0;  ///< uniforms consumed
};

/// What makes a box unusable, or nullptr: NaN, infinite, or w or h not positive.
const char* BoxProblem(const Xyxy& box);

/// Random crops of a template and a search frame: search scale uniform in [1/(1+s), 1+s], template scale log-uniform, shifts uniform;
/// six draws a try; after 50 tries without both boxes inside their crops the un-augmented crops are taken unchecked.
/// @param uniform  the next draw in [0, 1)     @throws ERR_DATA when a box has no positive size
/// Parity: test/golden/crop-geometry.
PairGeometry CropTrackPair(const Xyxy& box_z, const Xyxy& box_x, const CropConfig& config, const std::function<double()>& uniform);

/// The crop matrix of the original: source = step * out + origin on each axis, float32 values.
struct WarpAxes {
  double origin_x, origin_y, step_x, step_y;
};
WarpAxes WarpOf(const CropSquare& crop);

/// Pixels that bilinear sampling of the crop touches, not clipped to the frame.
Rect Footprint(const CropSquare& crop);

/// Side of a tracker's crop around a target of w × h.
struct TrackingCrop {
  double scale = 0;   ///< output pixels for each frame pixel
  int64_t size = 0;   ///< side in frame pixels, rounded half to even while the scale stays unrounded
};
TrackingCrop TrackingCropSize(double w, double h, double context_amount, int z_size, int x_size, bool float32);

}  // namespace siam::data
