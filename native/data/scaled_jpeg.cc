#include "scaled_jpeg.h"

#include <algorithm>

#include "../base/error.h"
#include "jpeg/baseline_decoder.h"

namespace siam::data {
namespace {

int Reduced(int pixels, int reduction) { return (pixels + reduction - 1) / reduction; }

}  // namespace

int ReductionFor(double step) { return step >= 8 ? 8 : step >= 4 ? 4 : step >= 2 ? 2 : 1; }

ScaledJpegDecoder::ScaledJpegDecoder() : api_(tj::Get()), handle_(nullptr), own_(std::make_unique<jpeg::BaselineDecoder>()) { RenewJpegHandle(api_, handle_); }

ScaledJpegDecoder::~ScaledJpegDecoder() {
  if (handle_ != nullptr) api_.Destroy(handle_);
}

bool ScaledJpegDecoder::Decodes(const JpegInfo& info) {
  const bool converted = info.colorspace == tj::kColorspaceCmyk || info.colorspace == tj::kColorspaceYcck;
  return info.orientation == 1 && !converted && McuOf(info.subsampling).width > 0;
}

FrameView ScaledJpegDecoder::DecodeRegion(const JpegInfo& info, const Rect& wanted, int reduction, const uint8_t* jpeg, size_t size,
                                          const std::string& file, std::vector<uint8_t>& out) {
  FrameView view;
  view.frame_width = info.width;
  view.frame_height = info.height;
  const GridAxis axis{(reduction - 1) / 2.0, static_cast<double>(reduction)};
  view.grid = {axis, axis};

  const int width = Reduced(info.width, reduction), height = Reduced(info.height, reduction);
  view.region = {0, 0, width, height};
  const auto make_room = [&] {
    view.stride = static_cast<size_t>(view.region.width) * 3;
    const size_t bytes = view.stride * static_cast<size_t>(view.region.height);
    if (out.size() < bytes + kPixelSlack) out.resize(bytes + kPixelSlack);
    view.pixels = out.data();
  };
  if (EndsWithEndMarker(jpeg, size)) {
    const Rect part = Clipped(ToPicture(view.grid, wanted), width, height);
    if (own_->Open(jpeg, size) && own_->width() == info.stored_width && own_->height() == info.stored_height) {
      view.region = part;
      make_room();
      if (own_->DecodeReduced(view.region, reduction, out.data())) return view;
    }
    // Chroma may still be enlarged with a look at its neighbours (4:2:2 at a half): an MCU more on each side, as at full size.
    const McuSize mcu = McuOf(info.subsampling);
    const int mcu_w = Reduced(mcu.width, reduction), mcu_h = Reduced(mcu.height, reduction);
    const int left = std::max(0, part.x / mcu_w - 1) * mcu_w, right = std::min(width, ((part.x + part.width + mcu_w - 1) / mcu_w + 1) * mcu_w);
    const int top = std::max(0, part.y - mcu_h), bottom = std::min(height, part.y + part.height + 2);
    view.region = {left, top, right - left, bottom - top};
  }
  make_room();

  RenewJpegHandle(api_, handle_);
  // The library checks size and region against the header that it read last.
  const bool whole = view.region.width == width && view.region.height == height;
  const tj::Region region = whole ? tj::Region{0, 0, 0, 0} : tj::Region{view.region.x, view.region.y, view.region.width, view.region.height};
  api_.DecompressHeader(handle_, jpeg, size);
  if (api_.SetScalingFactor(handle_, {1, reduction}) != 0 || api_.SetCroppingRegion(handle_, region) != 0) {
    throw SiamException("ERR_INTERNAL", std::string("libturbojpeg refused a region at a smaller size: ") + api_.GetErrorStr(handle_), file);
  }
  const bool clean = api_.Decompress8(handle_, jpeg, size, out.data(), static_cast<int>(view.stride), tj::kPixelBgr) == 0;
  if (!clean) ThrowIfDamaged(api_, handle_, file);
  return view;
}

}  // namespace siam::data
