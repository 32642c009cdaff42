// Views on interleaved 8-bit BGR pixels.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace siam::data {

/// A rectangle in pixels; x, y is its left-top pixel.
struct Rect {
  int x = 0;
  int y = 0;
  int width = 0;
  int height = 0;

  bool Contains(const Rect& other) const {
    return other.x >= x && other.y >= y && other.x + other.width <= x + width && other.y + other.height <= y + height;
  }
  bool Empty() const { return width <= 0 || height <= 0; }
};

/// Pictures beyond this are refused: a header of 20 bytes may otherwise ask for 12 GB.
constexpr int kMaxPixels = 1 << 28;

/// The part of `wanted` that lies in a picture of width × height pixels; at least one pixel, the nearest where none does.
inline Rect Clipped(const Rect& wanted, int width, int height) {
  const int x0 = std::clamp(wanted.x, 0, width - 1), x1 = std::clamp(wanted.x + wanted.width, x0 + 1, width);
  const int y0 = std::clamp(wanted.y, 0, height - 1), y1 = std::clamp(wanted.y + wanted.height, y0 + 1, height);
  return {x0, y0, x1 - x0, y1 - y0};
}

/// Column (or row) i of a picture shows the frame at origin + step · i, between pixel centres.
struct GridAxis {
  double origin = 0;
  double step = 1;

  bool operator==(const GridAxis& o) const { return origin == o.origin && step == o.step; }
};

/// Where the pixels of a picture lie in the frame that it was made from: the same place (a frame as it is), a part of it, or a part at
/// another resolution (a pack's picture, a frame decoded at half its size).
struct PixelGrid {
  GridAxis x, y;

  bool Identity() const { return x == GridAxis{} && y == GridAxis{}; }
};

/// @returns the picture's pixels that bilinear sampling between the frame's pixels of `part` touches, not clipped to the picture
Rect ToPicture(const PixelGrid& grid, const Rect& part);

/// Rows of a picture that are in memory: all of it, or the part that a crop needs.
struct FrameView {
  const uint8_t* pixels = nullptr;  ///< BGR; first pixel of `region`
  size_t stride = 0;                ///< bytes from one row to the next
  Rect region;                      ///< what is in memory, in the picture's pixels
  int frame_width = 0;              ///< of the frame, in which boxes and crops are given
  int frame_height = 0;
  PixelGrid grid;                   ///< from the picture's pixels to the frame's

  bool Whole() const { return grid.Identity() && region.x == 0 && region.y == 0 && region.width == frame_width && region.height == frame_height; }
};

struct Bgr {
  uint8_t b = 0, g = 0, r = 0;
};

/// Mean of each channel, truncated to an integer as the original's border value is (QUIRKS 7). The view must hold the whole frame.
Bgr TruncatedMean(const FrameView& frame);

}  // namespace siam::data
