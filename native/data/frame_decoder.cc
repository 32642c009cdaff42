#include "frame_decoder.h"

namespace siam::data {

JpegDecoder& FrameDecoder::Jpeg() {
  if (!jpeg_) jpeg_.emplace();
  return *jpeg_;
}

FrameInfo FrameDecoder::Header(const uint8_t* data, size_t size, const std::string& file) {
  FrameInfo info;
  info.jpeg = Jpeg().Header(data, size, file);
  info.width = info.jpeg.width;
  info.height = info.jpeg.height;
  return info;
}

FrameView FrameDecoder::Decode(const FrameInfo& info, const uint8_t* data, size_t size, const std::string& file, std::vector<uint8_t>& out) {
  return Jpeg().Decode(info.jpeg, data, size, file, out);
}

FrameView FrameDecoder::DecodeRegion(const FrameInfo& info, const Rect& wanted, const uint8_t* data, size_t size, const std::string& file,
                                     std::vector<uint8_t>& out) {
  return Jpeg().DecodeRegion(info.jpeg, wanted, data, size, file, out);
}

FrameView FrameDecoder::DecodeRegionScaled(const FrameInfo& info, const Rect& wanted, int reduction, const uint8_t* data, size_t size,
                                           const std::string& file, std::vector<uint8_t>& out) {
  if (!ScaledJpegDecoder::Decodes(info.jpeg)) return DecodeRegion(info, wanted, data, size, file, out);
  if (!scaled_) scaled_.emplace();
  return scaled_->DecodeRegion(info.jpeg, wanted, reduction, data, size, file, out);
}

}  // namespace siam::data
