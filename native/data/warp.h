// Crop and bilinear resize of a frame in one pass, straight to the network's layout.
#pragma once

#include <cstdint>
#include <vector>

#include "geometry.h"
#include "image.h"
#include "warp_kernels.h"
#include "warp_taps.h"

namespace siam::data {

enum class PixelLayout { kPlanar, kInterleaved };

/// Scratch memory of a thread that warps; keeps its size between calls.
struct WarpScratch {
  std::vector<AxisTap> taps;      ///< of each output column
  ColumnTaps columns;             ///< the same for the kernels
  std::vector<float> rows[4];     ///< FloatRows: two source rows resampled, the border, a mixture at the frame's edge
};

/// Bilinear in float32, rounded to nearest (half to even); pixels outside of the frame have the border's value.
/// @param frame  must hold ToPicture(grid, Footprint(crop)) as far as that lies in the picture, and the picture the footprint as far as
///   that lies in the frame     @param out  [3,S,S] or [S,S,3], BGR
/// On another grid than the frame's own the picture is sampled where the frame's coordinate lies in it; a grid of step 1 with a whole
/// origin gives the frame's own bits, and the border takes part with the weights that it has in the frame.
/// Within one level of OpenCV 5's warpAffine; the same on every CPU (no fused multiply-add). Parity: test/golden/crop-pixels.
void WarpCrop(const FrameView& frame, const CropSquare& crop, Bgr border, PixelLayout layout, WarpScratch& scratch, uint8_t* out);

/// Name of the instruction set that the pixel loops use on this machine: avx512, avx2 or baseline.
const char* PixelKernels();

}  // namespace siam::data
