// EXIF orientations: from pixels as shown to pixels as stored, and back.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "image.h"

namespace siam::data {

/// Where pixel (x, y) as shown lies in the stored frame of width × height.
struct Turn {
  int orientation, width, height;

  void ToStored(int x, int y, int& stored_x, int& stored_y) const {
    const int right = width - 1, bottom = height - 1;
    switch (orientation) {
      case 2: stored_x = right - x; stored_y = y; return;
      case 3: stored_x = right - x; stored_y = bottom - y; return;
      case 4: stored_x = x; stored_y = bottom - y; return;
      case 5: stored_x = y; stored_y = x; return;
      case 6: stored_x = y; stored_y = bottom - x; return;
      case 7: stored_x = right - y; stored_y = bottom - x; return;
      case 8: stored_x = right - y; stored_y = x; return;
      default: stored_x = x; stored_y = y; return;
    }
  }

  Rect ToStored(const Rect& shown) const {
    int x0, y0, x1, y1;
    ToStored(shown.x, shown.y, x0, y0);
    ToStored(shown.x + shown.width - 1, shown.y + shown.height - 1, x1, y1);
    return {std::min(x0, x1), std::min(y0, y1), std::abs(x1 - x0) + 1, std::abs(y1 - y0) + 1};
  }

  /// The rectangle `stored` as shown: the inverse of ToStored for rectangles.
  Rect ToShown(const Rect& stored) const {
    const int right = width - stored.x - stored.width;
    const int below = height - stored.y - stored.height;
    switch (orientation) {
      case 2: return {right, stored.y, stored.width, stored.height};
      case 3: return {right, below, stored.width, stored.height};
      case 4: return {stored.x, below, stored.width, stored.height};
      case 5: return {stored.y, stored.x, stored.height, stored.width};
      case 6: return {below, stored.x, stored.height, stored.width};
      case 7: return {below, right, stored.height, stored.width};
      case 8: return {stored.y, right, stored.height, stored.width};
      default: return stored;
    }
  }

  /// Copies BGR pixels of the rectangle `stored`, row after row, to `out` as they are shown.
  /// @param shown  ToShown(stored)
  void Copy(const uint8_t* from, const Rect& stored, const Rect& shown, uint8_t* out) const {
    for (int y = 0; y < shown.height; ++y) {
      uint8_t* row = out + static_cast<size_t>(shown.width) * 3 * static_cast<size_t>(y);
      for (int x = 0; x < shown.width; ++x) {
        int from_x, from_y;
        ToStored(shown.x + x, shown.y + y, from_x, from_y);
        std::memcpy(row + 3 * x, from + (static_cast<size_t>(from_y - stored.y) * static_cast<size_t>(stored.width) + static_cast<size_t>(from_x - stored.x)) * 3, 3);
      }
    }
  }
};

}  // namespace siam::data
