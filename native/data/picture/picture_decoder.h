// PNG and WebP frames through libvips, which decodes them with libpng and libwebp. Pixels equal those of OpenCV's imread: grey becomes
// BGR, palettes are expanded, alpha is left out (not blended), of 16 bits the upper 8 stay, gamma and profiles are not looked at, an
// animation shows its first frame, EXIF orientation is applied.
#pragma once

#include <string>
#include <vector>

#include "../image.h"
#include "../scratch.h"
#include "picture_info.h"
#include "vips_api.h"

namespace siam::data {

/// A decoder with its scratch memory. Not thread-safe: one for each thread.
class PictureDecoder {
 public:
  /// @throws ERR_SETUP when the library is not there.
  PictureDecoder() : api_(vips::Get()) {}

  /// Decodes the whole frame.
  /// @param out  resized as needed; holds kPixelSlack bytes more than the pixels
  /// @returns a view on `out`     @throws ERR_DATA when the data is truncated or corrupt
  FrameView Decode(const PictureInfo& info, const uint8_t* data, size_t size, const std::string& file, std::vector<uint8_t>& out);

  /// Decodes the pixels of `wanted` (clipped to the frame); each equals that of Decode(). Rows below are left out in a PNG that is
  /// neither interlaced nor turned; all else costs a whole decode, because no row of it is ready before the last.
  FrameView DecodeRegion(const PictureInfo& info, const Rect& wanted, const uint8_t* data, size_t size, const std::string& file,
                         std::vector<uint8_t>& out);

  /// Gives back scratch memory that one large frame needed and others will not.
  void ReleaseHugeScratch() { ReleaseHuge(turned_); }

 private:
  FrameView DecodeStored(const PictureInfo& info, const Rect& stored, const uint8_t* data, size_t size, const std::string& file,
                         std::vector<uint8_t>& out);
  /// @returns false when the library failed; its reason is then in the library's error text
  bool Run(const PictureInfo& info, const Rect& stored, const uint8_t* data, size_t size, uint8_t* out);

  const vips::Api& api_;
  std::vector<uint8_t> turned_;
};

}  // namespace siam::data
