#include "packed_view.h"

#include <algorithm>
#include <cmath>

#include "../../base/error.h"

namespace siam::data {
namespace {

/// Rounding of origins and steps, in pixels.
constexpr double kSlack = 1e-6;

/// Whether the frame's pixels [first, last] can be interpolated from `pixels` pixels: they lie between pixel centres, or the picture ends there
/// because the frame does.
bool Holds(const GridAxis& grid, int pixels, int first, int last, int frame_pixels) {
  const double begin = grid.origin, end = grid.origin + grid.step * (pixels - 1);
  const bool begins_with_frame = begin - grid.step / 2 <= -0.5 + kSlack;
  const bool ends_with_frame = end + grid.step / 2 >= frame_pixels - 0.5 - kSlack;
  return (begins_with_frame || first >= begin - kSlack) && (ends_with_frame || last <= end + kSlack);
}

bool Shifts(const GridAxis& axis) { return axis.step == 1 && axis.origin == std::floor(axis.origin); }

}  // namespace

Rect StoredPart(const PackRow& row, int width, int height, const Rect& part, const std::string& picture) {
  const int frame_width = static_cast<int>(row.frame_width), frame_height = static_cast<int>(row.frame_height);
  const int x0 = std::max(part.x, 0), x1 = std::min(part.x + part.width, frame_width) - 1;
  const int y0 = std::max(part.y, 0), y1 = std::min(part.y + part.height, frame_height) - 1;
  // A crop wholly outside of the frame needs none of it.
  const bool needed = x0 <= x1 && y0 <= y1;
  if (needed && !(Holds(row.grid.x, width, x0, x1, frame_width) && Holds(row.grid.y, height, y0, y1, frame_height))) {
    const auto span = [](int from, int to) { return std::to_string(from) + " to " + std::to_string(to); };
    const auto held = [&](const GridAxis& axis, int pixels) {
      return span(static_cast<int>(std::ceil(axis.origin)), static_cast<int>(std::floor(axis.origin + axis.step * (pixels - 1))));
    };
    throw SiamException("ERR_DATA", "the picture holds columns " + held(row.grid.x, width) + " and rows " + held(row.grid.y, height) +
                                        " of its frame, but the crop needs " + span(x0, x1) + " and " + span(y0, y1), picture);
  }
  return ToPicture(row.grid, part);
}

void PlaceInFrame(const PackRow& row, FrameView& view) {
  view.frame_width = static_cast<int>(row.frame_width);
  view.frame_height = static_cast<int>(row.frame_height);
  view.grid = row.grid;
  if (!Shifts(row.grid.x) || !Shifts(row.grid.y)) return;
  view.region.x += static_cast<int>(row.grid.x.origin);
  view.region.y += static_cast<int>(row.grid.y.origin);
  view.grid = {};
}

}  // namespace siam::data
