// A frame as the caller has it, decoded only as far as a crop needs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "../data/image.h"
#include "../data/frame_decoder.h"

namespace siam::tracking {

/// What a caller hands in: a JPEG file, a JPEG in memory, or pixels.
struct FrameInput {
  enum class Kind { kPath, kBytes, kPixels };
  Kind kind = Kind::kPixels;
  std::string path;
  std::vector<uint8_t> bytes;  ///< the JPEG, or width × height × channels interleaved pixels
  int width = 0;
  int height = 0;
  int channels = 3;  ///< 1 (grey), 3, or 4 (the fourth is not looked at)
  bool rgb = false;  ///< the order of the first three; BGR otherwise
};

/// Reads frames into memory that it keeps between them. Not thread-safe: one a tracker.
class FrameReader {
 public:
  /// Reads the header; the pixels wait for whole() or region().
  /// @throws ERR_IO when the file cannot be read, ERR_DATA when it is no JPEG
  void open(FrameInput input);

  int width() const { return width_; }
  int height() const { return height_; }
  /// The file's path, or "" where the frame came from memory.
  const std::string& file() const { return input_.path; }

  /// All pixels, BGR. Valid until a call that needs pixels which this one did not.     @throws ERR_DATA when the data is truncated or corrupt
  data::FrameView whole();
  /// At least the pixels of `wanted` that lie in the frame; those that are there already are not decoded again. Valid as whole().
  data::FrameView region(const data::Rect& wanted);
  /// Mean of the whole frame, as border pixels have it; computed once a frame.     @throws as whole()
  data::Bgr mean();

 private:

  FrameInput input_;
  std::vector<uint8_t> file_buffer_;
  std::vector<uint8_t> decoded_;
  const uint8_t* jpeg_ = nullptr;
  size_t jpeg_size_ = 0;
  data::FrameInfo info_;
  data::FrameDecoder decoder_;
  std::optional<data::FrameView> view_;  ///< of this frame, where something is decoded
  std::optional<data::Bgr> mean_;
  int width_ = 0;
  int height_ = 0;
};

}  // namespace siam::tracking
