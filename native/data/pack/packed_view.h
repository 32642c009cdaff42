// The part of a stored picture that a crop needs, and where what was decoded of it lies in the frame.
#pragma once

#include <string>

#include "../image.h"
#include "pack_file.h"

namespace siam::data {

/// @param part     pixels of the frame that a crop touches, not clipped     @param width, height  of the stored picture
/// @param picture  named in the error
/// @returns pixels of the picture, not clipped
/// @throws ERR_DATA when the picture ends, elsewhere than the frame does, before the part: the crop would be padded where there is a frame
Rect StoredPart(const PackRow& row, int width, int height, const Rect& part, const std::string& picture);

/// Makes a view on a decoded picture one on its frame: whole pixels are shifted, so that the warp takes its path for frames as they
/// are; others keep the grid.
void PlaceInFrame(const PackRow& row, FrameView& view);

}  // namespace siam::data
