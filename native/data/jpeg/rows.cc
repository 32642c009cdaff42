#include "rows.h"

#include <algorithm>

#include "../warp_kernels.h"

namespace siam::data::jpeg {

RowWriter::RowWriter(const Layout& layout, const Plane* planes, const Rect& region, uint8_t* out, uint64_t* sums, std::vector<uint8_t>& scratch)
    : layout_(layout), planes_(planes), region_(region), out_(out), sums_(sums), wide_(layout.wide), high_(layout.high), kernels_(KernelsOfThisCpu()), scratch_(scratch),
      scratch_row_(static_cast<size_t>(layout.width) + 2 + kRowSlack) {
  // Two rows of upsampled chroma and one of pixels.
  if (scratch_.size() < scratch_row_ * 5) scratch_.resize(scratch_row_ * 5);
}

const uint8_t* RowWriter::Chroma(int component, int y) const {
  return planes_[component].Row(std::clamp(y, 0, layout_.component[component].height - 1));
}

void RowWriter::Convert(int y, int begin, int end, uint8_t* bgr) {
  const uint8_t* const luma = planes_[0].Row(y) + begin;
  const int count = end - begin;
  if (layout_.components == 1) return kernels_.gray_to_bgr(luma, count, bgr);
  const int at = wide_ ? begin / 2 : begin, near = high_ ? y / 2 : y, far = near + (y % 2 == 0 ? -1 : 1);
  const uint8_t *cb = Chroma(1, near) + at, *cr = Chroma(2, near) + at;
  if (!high_) return (wide_ ? kernels_.h2v1_to_bgr : kernels_.ycc_to_bgr)(luma, cb, cr, count, bgr);
  const uint8_t *cb_far = Chroma(1, far) + at, *cr_far = Chroma(2, far) + at;
  if (wide_) return kernels_.h2v2_to_bgr(luma, cb, cb_far, cr, cr_far, count, bgr);
  uint8_t *const cb_full = scratch_.data(), *const cr_full = cb_full + scratch_row_;
  kernels_.upsample_h1v2(cb, cb_far, y % 2 == 1, count, cb_full);
  kernels_.upsample_h1v2(cr, cr_far, y % 2 == 1, count, cr_full);
  kernels_.ycc_to_bgr(luma, cb_full, cr_full, count, bgr);
}

void RowWriter::Add(int y, int begin, int end) {
  if (begin >= end) return;
  const int count = end - begin;
  if (layout_.components == 3 && (wide_ || !high_)) {
    const uint8_t* const luma = planes_[0].Row(y) + begin;
    const int at = wide_ ? begin / 2 : begin, near = high_ ? y / 2 : y, far = near + (y % 2 == 0 ? -1 : 1);
    const uint8_t *cb = Chroma(1, near) + at, *cr = Chroma(2, near) + at;
    if (!high_) return (wide_ ? kernels_.h2v1_add_bgr : kernels_.ycc_add_bgr)(luma, cb, cr, count, sums_);
    return kernels_.h2v2_add_bgr(luma, cb, Chroma(1, far) + at, cr, Chroma(2, far) + at, count, sums_);
  }
  uint8_t* const bgr = scratch_.data() + scratch_row_ * 2;
  Convert(y, begin, end, bgr);
  PixelKernelsOfThisCpu().add_channels(bgr, static_cast<size_t>(count), sums_);
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
