#include "baseline_decoder.h"

#include <algorithm>

#include "../turbojpeg_api.h"
#include "rows.h"

namespace siam::data::jpeg {
namespace {

/// MCUs [x0, x1) of the rows [y0, y1) are read into the planes.
struct McuWindow {
  int x0, y0, x1, y1;
};

/// All MCUs that the region's pixels come from: where chroma is upsampled, also from the samples around it.
McuWindow Window(const Layout& layout, const Rect& region) {
  const int wide = layout.wide ? 1 : 0, high = layout.high ? 1 : 0;
  // A chroma sample of margin is two pixels.
  const int left = std::max(0, region.x - 2 * wide), right = std::min(layout.width, region.x + region.width + 2 * wide);
  const int top = std::max(0, region.y - high), bottom = std::min(layout.height, region.y + region.height + high);
  return {left / layout.mcu_width, top / layout.mcu_height, (right + layout.mcu_width - 1) / layout.mcu_width,
          (bottom + layout.mcu_height - 1) / layout.mcu_height};
}

/// Copies the samples at the picture's left and right edges outwards.
void ExtendEdges(const Layout& layout, const McuWindow& window, int mcu_y, Plane* planes) {
  for (int c = 1; c < layout.components; ++c) {
    const ComponentLayout& component = layout.component[c];
    for (int i = 0; i < component.v * 8; ++i) {
      uint8_t* row = planes[c].Row(mcu_y * component.v * 8 + i);
      if (window.x0 == 0) row[-1] = row[0];
      if (window.x1 == layout.mcus_x) row[component.width] = row[component.width - 1];
    }
  }
}

}  // namespace

bool BaselineDecoder::Open(const uint8_t* data, size_t size) {
  data_ = data;
  size_ = size;
  return ReadHeader(data, size, header_);
}

int BaselineDecoder::subsampling() const {
  if (header_.components == 1) return tj::kSubsamplingGray;
  const int h = header_.component[0].h, v = header_.component[0].v;
  return h == 1 ? (v == 1 ? tj::kSubsampling444 : tj::kSubsampling440) : (v == 1 ? tj::kSubsampling422 : tj::kSubsampling420);
}

Rect BaselineDecoder::Enlarged(const Rect& wanted) const {
  // Pairs of columns, which share their chroma.
  const int x0 = wanted.x & ~1, x1 = std::min(header_.width, (wanted.x + wanted.width + 1) & ~1);
  return {x0, wanted.y, x1 - x0, wanted.height};
}

bool BaselineDecoder::Decode(const Rect& region, uint8_t* out, uint64_t* sums) { return Run(Layout(header_), region, out, sums); }

bool BaselineDecoder::DecodeReduced(const Rect& region, int reduction, uint8_t* out) { return Run(Layout(header_, reduction), region, out, nullptr); }

bool BaselineDecoder::Run(const Layout& layout, const Rect& region, uint8_t* out, uint64_t* sums) {
  const bool all = sums != nullptr;
  const McuWindow window = all ? McuWindow{0, 0, layout.mcus_x, layout.mcus_y} : Window(layout, region);
  for (int c = 0; c < layout.components; ++c) {
    const ComponentLayout& component = layout.component[c];
    planes_[c].Reset(component.v * component.block_height, window.x0 * component.h * component.block_width, window.x1 * component.h * component.block_width);
  }
  if (all) std::fill_n(sums, 3, 0);
  if (!scan_.Start(data_, size_, header_, layout, planes_)) return false;
  RowWriter writer(layout, planes_, region, out, sums, rows_scratch_);
  const int end = all ? layout.height : region.y + region.height;
  int y = all ? 0 : region.y;
  for (int mcu_y = window.y0; mcu_y < window.y1; ++mcu_y) {
    if (!scan_.SkipTo(static_cast<int64_t>(mcu_y) * layout.mcus_x + window.x0) || !scan_.Read(window.x1 - window.x0)) return false;
    if (layout.wide) ExtendEdges(layout, window, mcu_y, planes_);
    // The lowest row of pixels is upsampled from the next MCUs' chroma too.
    const bool last = mcu_y + 1 == layout.mcus_y;
    const int complete = (mcu_y + 1) * layout.mcu_height - (layout.high && !last ? 1 : 0);
    for (const int stop = std::min(end, complete); y < stop; ++y) writer.Row(y);
  }
  return end < layout.height || scan_.Finish();
}

}  // namespace siam::data::jpeg
