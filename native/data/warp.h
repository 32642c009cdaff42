// Crop and bilinear resize of a frame in one pass, straight to the network's layout.
#pragma once

#include <cstdint>
#include <vector>

#include "geometry.h"
#include "image.h"

namespace siam::data {

enum class PixelLayout { kPlanar, kInterleaved };

/// Scratch memory of a thread that warps; keeps its size between calls.
struct WarpScratch {
  std::vector<int32_t> left;      ///< source column of each output column's left tap
  std::vector<float> weight;      ///< its right tap's weight, four times
  std::vector<float> rows[2];     ///< source rows resampled horizontally, B G R 0 for each output column
};

/// Bilinear in float32, rounded to nearest (half to even); pixels outside of the frame have the border's value.
/// @param frame  must hold Footprint(crop) as far as that lies in the frame     @param out  [3,S,S] or [S,S,3], BGR
/// Within one level of OpenCV 5's warpAffine; the same on every CPU (no fused multiply-add). Parity: test/golden/crop-pixels.
void WarpCrop(const FrameView& frame, const CropSquare& crop, Bgr border, PixelLayout layout, WarpScratch& scratch, uint8_t* out);

/// Name of the instruction set that the pixel loops use on this machine: avx2 or baseline.
const char* PixelKernels();

}  // namespace siam::data
