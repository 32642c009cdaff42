#include "rows.h"

#include <algorithm>

#include "../warp_kernels.h"

namespace siam::data::jpeg {

RowWriter::RowWriter(const Layout& layout, const Plane* planes, const Rect& region, uint8_t* out, uint64_t* sums, std::vector<uint8_t>& scratch)
    : layout_(layout), planes_(planes), region_(region), out_(out), sums_(sums), kernels_(KernelsOfThisCpu()), scratch_(scratch),
      scratch_row_(static_cast<size_t>(layout.width) + 2 + kRowSlack) {
  // Two rows of upsampled chroma and one of pixels.
  if (scratch_.size() < scratch_row_ * 5) scratch_.resize(scratch_row_ * 5);
}

const uint8_t* RowWriter::Chroma(int component, int y) const {
  return planes_[component].Row(std::clamp(y, 0, layout_.component[component].height - 1));
}

void RowWriter::Convert(int y, int begin, int end, uint8_t* bgr) {
  const uint8_t* luma = planes_[0].Row(y) + begin;
  const int count = end - begin;
  if (layout_.components == 1) {
    for (int x = 0; x < count; ++x) bgr[3 * x] = bgr[3 * x + 1] = bgr[3 * x + 2] = luma[x];
    return;
  }
  const bool wide = layout_.mcu_width == 16, high = layout_.mcu_height == 16;
  const int at = wide ? begin / 2 : begin, near = high ? y / 2 : y, far = near + (y % 2 == 0 ? -1 : 1);
  if (wide && high) {
    kernels_.h2v2_to_bgr(luma, Chroma(1, near) + at, Chroma(1, far) + at, Chroma(2, near) + at, Chroma(2, far) + at, count, bgr);
    return;
  }
  const uint8_t* chroma[2];
  for (int c = 0; c < 2; ++c) {
    uint8_t* const upsampled = scratch_.data() + scratch_row_ * c;
    const uint8_t* const row = Chroma(c + 1, near) + at;
    chroma[c] = upsampled;
    if (wide) {
      kernels_.upsample_h2v1(row, (count + 1) / 2, upsampled);
    } else if (high) {
      kernels_.upsample_h1v2(row, Chroma(c + 1, far) + at, y % 2 == 1, count, upsampled);
    } else {
      chroma[c] = row;
    }
  }
  kernels_.ycc_to_bgr(luma, chroma[0], chroma[1], count, bgr);
}

void RowWriter::Add(int y, int begin, int end) {
  if (begin >= end) return;
  if (layout_.components == 3 && layout_.mcu_width == 16 && layout_.mcu_height == 16) {
    const int at = begin / 2, near = y / 2, far = near + (y % 2 == 0 ? -1 : 1);
    kernels_.h2v2_add_bgr(planes_[0].Row(y) + begin, Chroma(1, near) + at, Chroma(1, far) + at, Chroma(2, near) + at, Chroma(2, far) + at, end - begin,
                          sums_);
    return;
  }
  uint8_t* const bgr = scratch_.data() + scratch_row_ * 2;
  Convert(y, begin, end, bgr);
  PixelKernelsOfThisCpu().add_channels(bgr, static_cast<size_t>(end - begin), sums_);
}

void RowWriter::Row(int y) {
  const bool wanted = y >= region_.y && y < region_.y + region_.height;
  if (!wanted) {
    if (sums_ != nullptr) Add(y, 0, layout_.width);
    return;
  }
  uint8_t* const bgr = out_ + static_cast<size_t>(y - region_.y) * region_.width * 3;
  const int end = region_.x + region_.width;
  Convert(y, region_.x, end, bgr);
  if (sums_ == nullptr) return;
  PixelKernelsOfThisCpu().add_channels(bgr, static_cast<size_t>(region_.width), sums_);
  Add(y, 0, region_.x);
  Add(y, end, layout_.width);
}

}  // namespace siam::data::jpeg
