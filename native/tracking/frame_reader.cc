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
  view_.reset();
  mean_.reset();
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
    view_ = data::FrameView{decoded_.data(), 3 * static_cast<size_t>(width_), {0, 0, width_, height_}, width_, height_, {}};
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

data::FrameView FrameReader::whole() { return region({0, 0, width_, height_}); }

data::FrameView FrameReader::region(const data::Rect& wanted) {
  const data::Rect part = data::Clipped(wanted, width_, height_);
  if (view_ && view_->region.Contains(part)) return *view_;
  view_.reset();  // its memory is written to, also by a decode that fails
  const bool all = part.width == width_ && part.height == height_;
  view_ = all ? decoder_.Decode(info_, jpeg_, jpeg_size_, input_.path, decoded_) : decoder_.DecodeRegion(info_, wanted, jpeg_, jpeg_size_, input_.path, decoded_);
  return *view_;
}

data::Bgr FrameReader::mean() {
  if (!mean_) mean_ = data::TruncatedMean(whole());
  return *mean_;
}

}  // namespace siam::tracking
