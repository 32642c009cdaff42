// Frames that EXIF turns: from pixels as shown to pixels as stored, and back.
#pragma once

#include <algorithm>
#include <cstdlib>

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

  /// The frame's rectangle `stored` as shown: the inverse of ToStored.
  Rect ToShown(const Rect& stored) const {
    const int right_of = width - stored.x - stored.width, below = height - stored.y - stored.height;
    switch (orientation) {
      case 2: return {right_of, stored.y, stored.width, stored.height};
      case 3: return {right_of, below, stored.width, stored.height};
      case 4: return {stored.x, below, stored.width, stored.height};
      case 5: return {stored.y, stored.x, stored.height, stored.width};
      case 6: return {below, stored.x, stored.height, stored.width};
      case 7: return {below, right_of, stored.height, stored.width};
      case 8: return {stored.y, right_of, stored.height, stored.width};
      default: return stored;
    }
  }
};

}  // namespace siam::data
