// The one thing that we want from EXIF: how a frame was turned.
#pragma once

#include <cstddef>
#include <cstdint>

namespace siam::data {

/// Reads the EXIF orientation (tag 0x0112 of the first image directory) from a JPEG's APP1 marker.
/// @returns 1..8; 1 (as stored) when there is none or it is malformed, as OpenCV's imread does.
int ExifOrientation(const uint8_t* jpeg, size_t size);

/// The same from the TIFF structure itself, as PNG's eXIf and WebP's EXIF chunks hold it.
int TiffOrientation(const uint8_t* data, size_t size);

/// @returns whether the orientation swaps width and height.
inline bool OrientationSwapsAxes(int orientation) { return orientation >= 5; }

}  // namespace siam::data
