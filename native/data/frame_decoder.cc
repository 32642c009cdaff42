#include "frame_decoder.h"

namespace siam::data {

JpegDecoder& FrameDecoder::Jpeg() {
  if (!jpeg_) jpeg_.emplace();
  return *jpeg_;
}

PictureDecoder& FrameDecoder::Picture() {
  if (!picture_) picture_.emplace();
  return *picture_;
}

FrameInfo FrameDecoder::Header(const uint8_t* data, size_t size, const std::string& file) {
  FrameInfo info;
  if (IsPng(data, size) || IsWebp(data, size)) {
    info.picture = IsPng(data, size) ? ReadPngInfo(data, size, file) : ReadWebpInfo(data, size, file);
    info.width = info.picture->width;
    info.height = info.picture->height;
    return info;
  }
  info.jpeg = Jpeg().Header(data, size, file);
  info.width = info.jpeg.width;
  info.height = info.jpeg.height;
  return info;
}

FrameView FrameDecoder::Decode(const FrameInfo& info, const uint8_t* data, size_t size, const std::string& file, std::vector<uint8_t>& out) {
  if (info.picture) return Picture().Decode(*info.picture, data, size, file, out);
  return Jpeg().Decode(info.jpeg, data, size, file, out);
}

FrameView FrameDecoder::DecodeRegion(const FrameInfo& info, const Rect& wanted, const uint8_t* data, size_t size, const std::string& file,
                                     std::vector<uint8_t>& out) {
  if (info.picture) return Picture().DecodeRegion(*info.picture, wanted, data, size, file, out);
  return Jpeg().DecodeRegion(info.jpeg, wanted, data, size, file, out);
}

FrameView FrameDecoder::DecodeRegionScaled(const FrameInfo& info, const Rect& wanted, int reduction, const uint8_t* data, size_t size,
                                           const std::string& file, std::vector<uint8_t>& out) {
  if (reduction <= 1 || info.picture || !ScaledJpegDecoder::Decodes(info.jpeg)) return DecodeRegion(info, wanted, data, size, file, out);
  if (!scaled_) scaled_.emplace();
  return scaled_->DecodeRegion(info.jpeg, wanted, reduction, data, size, file, out);
}

FrameView FrameDecoder::DecodeRegionAndMean(const FrameInfo& info, const Rect& wanted, const uint8_t* data, size_t size, const std::string& file,
                                            std::vector<uint8_t>& out, Bgr& mean) {
  if (info.picture) {
    const FrameView view = Decode(info, data, size, file, out);
    mean = TruncatedMean(view);
    return view;
  }
  return Jpeg().DecodeRegionAndMean(info.jpeg, wanted, data, size, file, out, mean);
}

void FrameDecoder::ReleaseHugeScratch() {
  if (jpeg_) jpeg_->ReleaseHugeScratch();
  if (picture_) picture_->ReleaseHugeScratch();
}

}  // namespace siam::data
