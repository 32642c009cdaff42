// Compressed frames to pixels, whatever their format: the first bytes decide.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "jpeg.h"
#include "picture/picture_decoder.h"
#include "scaled_jpeg.h"

namespace siam::data {

/// What a header says.
struct FrameInfo {
  int width = 0;   ///< as shown, EXIF orientation applied
  int height = 0;
  JpegInfo jpeg;
  std::optional<PictureInfo> picture;  ///< of a PNG or WebP frame; `jpeg` then says nothing
};

/// Decoders with their scratch memory. Not thread-safe: one for each thread. A format's library is looked for when a frame needs it.
class FrameDecoder {
 public:
  /// Reads the header.
  /// @param file  named in the error, may be ""     @throws ERR_DATA when it is no frame that we can decode, ERR_SETUP without the library
  FrameInfo Header(const uint8_t* data, size_t size, const std::string& file);

  /// Decodes the whole frame.
  /// @param out  resized as needed; holds kPixelSlack bytes more than the pixels
  /// @returns a view on `out`     @throws ERR_DATA when the data is truncated or corrupt
  FrameView Decode(const FrameInfo& info, const uint8_t* data, size_t size, const std::string& file, std::vector<uint8_t>& out);

  /// Decodes at least the pixels of `wanted` (clipped to the frame); each equals that of Decode(). See JpegDecoder::DecodeRegion.
  FrameView DecodeRegion(const FrameInfo& info, const Rect& wanted, const uint8_t* data, size_t size, const std::string& file,
                         std::vector<uint8_t>& out);

  /// Decodes at least what bilinear sampling between the frame's pixels of `wanted` needs, `reduction` (1, 2, 4 or 8) times smaller where the
  /// format allows it, exactly where it does not: the view's grid says which.
  FrameView DecodeRegionScaled(const FrameInfo& info, const Rect& wanted, int reduction, const uint8_t* data, size_t size,
                               const std::string& file, std::vector<uint8_t>& out);

  /// The same, and the whole frame's TruncatedMean.
  FrameView DecodeRegionAndMean(const FrameInfo& info, const Rect& wanted, const uint8_t* data, size_t size, const std::string& file,
                                std::vector<uint8_t>& out, Bgr& mean);

  /// Gives back scratch memory that one large frame needed and others will not.
  void ReleaseHugeScratch();

 private:
  JpegDecoder& Jpeg();
  PictureDecoder& Picture();

  std::optional<JpegDecoder> jpeg_;
  std::optional<ScaledJpegDecoder> scaled_;
  std::optional<PictureDecoder> picture_;
};

}  // namespace siam::data
