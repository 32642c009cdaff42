// The JPEGs of a pack: encoded anew, or cut out of a frame's JPEG without loss.
#pragma once

#include <cstdint>
#include <string>

#include "../jpeg.h"
#include "picture_plan.h"

namespace siam::data {

/// Bytes that the JPEG library allocated; lives until the next call of the encoder that made it.
struct EncodedPicture {
  const uint8_t* data = nullptr;
  size_t size = 0;
};

/// Not thread-safe: one for each thread.
class PictureEncoder {
 public:
  /// @throws ERR_SETUP when the library is not there
  PictureEncoder();
  ~PictureEncoder();
  PictureEncoder(const PictureEncoder&) = delete;
  PictureEncoder& operator=(const PictureEncoder&) = delete;

  /// Baseline, restart markers as RestartInterval() says.
  /// @param pixels  BGR     @param stride  bytes from one row to the next     @throws ERR_INTERNAL
  EncodedPicture Encode(const uint8_t* pixels, size_t stride, int width, int height, int quality, int subsampling);

  /// Whether parts of this JPEG can be copied: it is stored upright, and its colours are the ones that our encoder writes.
  static bool CanCopy(const JpegInfo& info);

  /// Copies the DCT coefficients of a part into a baseline JPEG with restart markers. Each pixel is that of a whole decode of the source, but for
  /// those in the MCUs along edges that were cut.
  /// @param part  begins at whole MCUs     @returns no data where the library refuses the source: encode it then
  EncodedPicture Copy(const uint8_t* jpeg, size_t size, const JpegInfo& info, const Rect& part);

 private:
  void Forget();

  const tj::Api& api_;
  tj::Handle compressor_ = nullptr;
  tj::Handle transformer_ = nullptr;
  unsigned char* memory_ = nullptr;
};

}  // namespace siam::data
