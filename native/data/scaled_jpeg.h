// JPEG frames at a half, a quarter or an eighth of their size, for crops that are coarser than that.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "jpeg.h"

namespace siam::data {

/// How much smaller a frame may be decoded for a crop whose pixels are `step` of the frame's apart: 1, 2, 4 or 8.
int ReductionFor(double step);

/// Decodes by an inverse DCT of fewer points: the block's low frequencies, so what the crop's pixels could only alias is left out.
/// Not exact: docs/data-pipeline.md says by how much. Not thread-safe.
class ScaledJpegDecoder {
 public:
  /// @throws ERR_SETUP without the library
  ScaledJpegDecoder();
  ~ScaledJpegDecoder();
  ScaledJpegDecoder(const ScaledJpegDecoder&) = delete;
  ScaledJpegDecoder& operator=(const ScaledJpegDecoder&) = delete;

  /// Whether it decodes such a frame: upright, grey or YCbCr, not lossless. All but a few are; the others are decoded exactly.
  static bool Decodes(const JpegInfo& info);

  /// Decodes at least what bilinear sampling between the frame's pixels of `wanted` needs (clipped to the frame), each pixel as a decode of
  /// the whole frame at this size gives it.
  /// @param reduction  2, 4 or 8     @param out  resized as needed; holds kPixelSlack bytes more than the pixels
  /// @returns a view on `out` with the grid of the smaller picture     @throws ERR_DATA when the data is truncated or corrupt
  FrameView DecodeRegion(const JpegInfo& info, const Rect& wanted, int reduction, const uint8_t* jpeg, size_t size, const std::string& file,
                         std::vector<uint8_t>& out);

 private:
  const tj::Api& api_;
  tj::Handle handle_;
  std::unique_ptr<jpeg::BaselineDecoder> own_;
};

}  // namespace siam::data
