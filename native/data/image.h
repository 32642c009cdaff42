// Views on interleaved 8-bit BGR pixels.
#pragma once

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

/// Rows of a frame that are in memory: the whole frame, or the part of it that a crop needs.
struct FrameView {
  const uint8_t* pixels = nullptr;  ///< BGR; first pixel of `region`
  size_t stride = 0;                ///< bytes from one row to the next
  Rect region;                      ///< what is in memory, in the frame's coordinates
  int frame_width = 0;
  int frame_height = 0;

  bool Whole() const { return region.x == 0 && region.y == 0 && region.width == frame_width && region.height == frame_height; }
};

struct Bgr {
  uint8_t b = 0, g = 0, r = 0;
};

/// Mean of each channel, truncated to an integer as the original's border value is (QUIRKS 7). The view must hold the whole frame.
Bgr TruncatedMean(const FrameView& frame);

}  // namespace siam::data
