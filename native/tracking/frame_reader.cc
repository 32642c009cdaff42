#include "frame_reader.h"

#include <utility>

#include "../data/file.h"

namespace siam::tracking {
namespace {

/// Grey, BGRA, RGB, … → BGR.
void to_bgr(const FrameInput& input, std::vector<uint8_t>& out) {
  const size_t count = static_cast<size_t>(input.width) * static_cast<size_t>(input.height);
  const size_t step = static_cast<size_t>(input.channels);
  const size_t blue = input.channels == 1 ? 0 : input.rgb ? 2 : 0, green = input.channels == 1 ? 0 : 1, red = input.channels == 1 ? 0 : input.rgb ? 0 : 2;
  out.resize(3 * count + data::kPixelSlack);
  const uint8_t* from = input.bytes.data();
  uint8_t* to = out.data();
  for (size_t i = 0; i < count; ++i, from += step, to += 3) {
    to[0] = from[blue];
    to[1] = from[green];
    to[2] = from[red];
  }
}

}  // namespace

void FrameReader::open(FrameInput input) {
  input_ = std::move(input);
  if (input_.kind == FrameInput::Kind::kPixels) {
    width_ = input_.width;
    height_ = input_.height;
    if (input_.channels != 3 || input_.rgb) {
      to_bgr(input_, decoded_);
    } else {
      // The warp may read a little past the last pixel.
      input_.bytes.resize(input_.bytes.size() + data::kPixelSlack);
      decoded_.swap(input_.bytes);
    }
    return;
  }
  if (input_.kind == FrameInput::Kind::kPath) {
    jpeg_size_ = data::ReadFile(input_.path, file_buffer_);
    jpeg_ = file_buffer_.data();
  } else {
    jpeg_size_ = input_.bytes.size();
    jpeg_ = input_.bytes.data();
  }
  info_ = decoder_.Header(jpeg_, jpeg_size_, input_.path);
  width_ = info_.width;
  height_ = info_.height;
}

data::FrameView FrameReader::pixels_view() {
  return {decoded_.data(), 3 * static_cast<size_t>(width_), {0, 0, width_, height_}, width_, height_, {}};
}

data::FrameView FrameReader::whole() {
  if (input_.kind == FrameInput::Kind::kPixels) return pixels_view();
  return decoder_.Decode(info_, jpeg_, jpeg_size_, input_.path, decoded_);
}

data::FrameView FrameReader::region(const data::Rect& wanted) {
  if (input_.kind == FrameInput::Kind::kPixels) return pixels_view();
  return decoder_.DecodeRegion(info_, wanted, jpeg_, jpeg_size_, input_.path, decoded_);
}

}  // namespace siam::tracking
