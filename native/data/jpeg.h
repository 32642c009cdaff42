// JPEG frames: header, whole or partial decoding to BGR, encoding. Pixels equal those of OpenCV's imread (libjpeg-turbo with the
// accurate DCT and fancy upsampling, EXIF orientation applied, CMYK converted the same way).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "image.h"
#include "mcu.h"
#include "turbojpeg_api.h"

namespace siam::data {

namespace jpeg {
class BaselineDecoder;
}

struct JpegInfo {
  int width = 0;   ///< as shown, EXIF orientation applied
  int height = 0;
  int stored_width = 0;
  int stored_height = 0;
  int orientation = 1;
  int subsampling = -1;
  int colorspace = -1;
};

/// Bytes that a vector keeps behind the last pixel, so that vector code may read past it.
constexpr size_t kPixelSlack = 64;

/// Whether the end marker is the last thing in the file, padding of zero or 0xFF bytes aside.
bool EndsWithEndMarker(const uint8_t* jpeg, size_t size);

/// Makes a handle, in place of the one that is there, that decodes as OpenCV does. A handle keeps tables that a later file may lack, and
/// refuses every frame after a damaged one, so each frame gets a new one.     @throws ERR_SETUP
void RenewJpegHandle(const tj::Api& api, tj::Handle& handle);

/// For a call of `handle` that did not succeed.     @throws ERR_DATA unless all that it warned of loses no pixels
void ThrowIfDamaged(const tj::Api& api, tj::Handle handle, const std::string& file);

/// A decoder with its scratch memory. Not thread-safe: one for each thread.
class JpegDecoder {
 public:
  /// @throws ERR_SETUP when the library is not there.
  JpegDecoder();
  ~JpegDecoder();
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  /// Reads the header.
  /// @param file  named in the error, may be ""     @throws ERR_DATA when it is not a JPEG that we can decode
  JpegInfo Header(const uint8_t* jpeg, size_t size, const std::string& file);

  /// Decodes the whole frame.
  /// @param out  resized as needed; holds kPixelSlack bytes more than the pixels
  /// @returns a view on `out`     @throws ERR_DATA when the data is truncated or corrupt
  FrameView Decode(const JpegInfo& info, const uint8_t* jpeg, size_t size, const std::string& file, std::vector<uint8_t>& out);

  /// Decodes at least the pixels of `wanted` (clipped to the frame). Each of them equals that of Decode(). What the region does not need
  /// is not read (docs/data-pipeline.md says what that is), except when the file lacks its end marker: then everything is decoded,
  /// so that a truncated file is always found out.
  FrameView DecodeRegion(const JpegInfo& info, const Rect& wanted, const uint8_t* jpeg, size_t size, const std::string& file,
                         std::vector<uint8_t>& out);

  /// The same, and the whole frame's TruncatedMean, in one pass.
  FrameView DecodeRegionAndMean(const JpegInfo& info, const Rect& wanted, const uint8_t* jpeg, size_t size, const std::string& file,
                                std::vector<uint8_t>& out, Bgr& mean);

  /// Gives back scratch memory that one large frame needed and others will not.
  void ReleaseHugeScratch();

  /// Whether our own decoder is tried before libturbojpeg (it is; tests compare them).
  void UseOwn(bool enabled) { own_enabled_ = enabled; }
  /// Whether it was our own decoder that gave the last frame.
  bool own_done() const { return own_done_; }

 private:
  bool OwnHeader(const uint8_t* jpeg, size_t size, JpegInfo& info);
  void LibraryHeader(const uint8_t* jpeg, size_t size, const std::string& file, JpegInfo& info);
  uint8_t* Target(const JpegInfo& info, const Rect& stored, std::vector<uint8_t>& out);
  FrameView Shown(const JpegInfo& info, const Rect& stored, std::vector<uint8_t>& out);
  bool RunOwn(const JpegInfo& info, const Rect& wanted, const uint8_t* jpeg, size_t size, std::vector<uint8_t>& out, uint64_t* sums, FrameView& view);
  FrameView RunLibrary(const JpegInfo& info, const Rect& stored, const uint8_t* jpeg, size_t size, const std::string& file,
                       std::vector<uint8_t>& out);
  void Run(const JpegInfo& info, const Rect& stored, const uint8_t* jpeg, size_t size, const std::string& file, uint8_t* out);
  [[noreturn]] void Fail(const std::string& file, const std::string& what) const;

  const tj::Api& api_;
  tj::Handle handle_ = nullptr;
  std::unique_ptr<jpeg::BaselineDecoder> own_;
  bool own_enabled_ = true;
  bool own_done_ = false;
  std::vector<uint8_t> turned_;
  std::vector<uint8_t> cmyk_;
};

struct EncodeOptions {
  bool progressive = false;  ///< several scans
  bool optimize = false;     ///< Huffman tables made for the frame
  int restart_rows = 0;      ///< MCU rows between restart markers, 0: none
  int restart_blocks = 0;    ///< or MCUs between them
};

/// Encodes BGR or RGB pixels.
/// @param quality 1..100     @param subsampling a tj::kSubsampling… value     @throws ERR_ARGUMENT, ERR_SETUP
std::vector<uint8_t> EncodeJpeg(const uint8_t* pixels, int width, int height, int pixel_format, int quality, int subsampling,
                                const EncodeOptions& options = {});

}  // namespace siam::data
