// Where the columns (or rows) of a crop lie in a picture, and how much of each is border.
#pragma once

#include "image.h"

namespace siam::data {

/// Where an output column lies with regard to the frame's first and last pixel centre.
enum class FrameSide {
  kInside,   ///< between them: the picture alone
  kBefore,   ///< less than a pixel before the first: from border to picture
  kAfter,    ///< less than a pixel behind the last: from picture to border
  kOutside,  ///< border
};

struct AxisTap {
  int left = 0;      ///< lower of the two source indices, in the picture
  float weight = 0;  ///< of the next one; 0 where there is none
  FrameSide side = FrameSide::kInside;
  float blend = 0;   ///< kBefore: weight of the picture, kAfter: weight of the border
};

/// One axis of a crop on one axis of a picture.
struct WarpAxis {
  double origin, step;  ///< output i looks at the frame's coordinate origin + step · i
  GridAxis grid;        ///< the picture's pixels in the frame
  int begin, end;       ///< the picture's pixels that are in memory
  int extent;           ///< of the frame

  /// The border takes part by distances in the frame's pixels, whatever the picture's resolution, so that padding looks the same; where
  /// the frame reaches beyond the picture's last pixel centre (a coarser picture's pixels lie further in), that pixel goes on.
  AxisTap At(int out_index) const;
};

}  // namespace siam::data
