#include "picture_encoder.h"

#include "../../base/error.h"

namespace siam::data {
namespace {

int IntervalOf(int width, int subsampling) {
  const McuSize mcu = McuOf(subsampling);
  return RestartInterval((width + mcu.width - 1) / mcu.width, mcu.width);
}

}  // namespace

PictureEncoder::PictureEncoder() : api_(tj::Get()) {
  compressor_ = api_.Init(tj::kInitCompress);
  transformer_ = api_.Init(tj::kInitTransform);
  if (compressor_ == nullptr || transformer_ == nullptr) throw SiamException("ERR_SETUP", "libturbojpeg could not make an encoder");
}

PictureEncoder::~PictureEncoder() {
  Forget();
  api_.Destroy(compressor_);
  api_.Destroy(transformer_);
}

void PictureEncoder::Forget() {
  api_.Free(memory_);
  memory_ = nullptr;
}

EncodedPicture PictureEncoder::Encode(const uint8_t* pixels, size_t stride, int width, int height, int quality, int subsampling) {
  Forget();
  size_t size = 0;
  const bool done = api_.Set(compressor_, tj::kParamQuality, quality) == 0 && api_.Set(compressor_, tj::kParamSubsampling, subsampling) == 0 &&
                    api_.Set(compressor_, tj::kParamRestartBlocks, IntervalOf(width, subsampling)) == 0 &&
                    api_.Compress8(compressor_, pixels, width, static_cast<int>(stride), height, tj::kPixelBgr, &memory_, &size) == 0;
  if (!done) throw SiamException("ERR_INTERNAL", std::string("a pack's picture could not be encoded: ") + api_.GetErrorStr(compressor_));
  return {memory_, size};
}

bool PictureEncoder::CanCopy(const JpegInfo& info) {
  const bool known = McuOf(info.subsampling).width > 0;
  return info.orientation == 1 && known && (info.colorspace == tj::kColorspaceYcc || info.colorspace == tj::kColorspaceGray);
}

EncodedPicture PictureEncoder::Copy(const uint8_t* jpeg, size_t size, const JpegInfo& info, const Rect& part) {
  Forget();
  // The interval stays with the handle, and is set before the header is read.
  if (api_.Set(transformer_, tj::kParamRestartBlocks, IntervalOf(part.width, info.subsampling)) != 0) return {};
  tj::Transform transform{};
  transform.region = {part.x, part.y, part.width, part.height};
  transform.options = tj::kTransformPerfect | tj::kTransformCrop | tj::kTransformCopyNone;
  size_t bytes = 0;
  if (api_.DoTransform(transformer_, jpeg, size, 1, &memory_, &bytes, &transform) != 0) return {};
  return {memory_, bytes};
}

}  // namespace siam::data
