#include "baseline_decoder.h"

#include <algorithm>

#include "rows.h"

namespace siam::data::jpeg {
namespace {

/// MCUs [x0, x1) of the rows [y0, y1) are read into the planes.
struct McuWindow {
  int x0, y0, x1, y1;
};

/// All MCUs that the region's pixels come from: where chroma is upsampled, also from the samples around it.
McuWindow Window(const Layout& layout, const Rect& region) {
  const int wide = layout.components == 3 ? layout.mcu_width / 8 - 1 : 0, high = layout.components == 3 ? layout.mcu_height / 8 - 1 : 0;
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

Rect BaselineDecoder::Enlarged(const Rect& wanted) const {
  // Pairs of columns, which share their chroma.
  const int x0 = wanted.x & ~1, x1 = std::min(header_.width, (wanted.x + wanted.width + 1) & ~1);
  return {x0, wanted.y, x1 - x0, wanted.height};
}

bool BaselineDecoder::Decode(const Rect& region, uint8_t* out, uint64_t* sums) {
  const Layout layout(header_);
  const bool all = sums != nullptr;
  const McuWindow window = all ? McuWindow{0, 0, layout.mcus_x, layout.mcus_y} : Window(layout, region);
  for (int c = 0; c < layout.components; ++c) {
    const ComponentLayout& component = layout.component[c];
    planes_[c].Reset(component.v * 8, window.x0 * component.h * 8, window.x1 * component.h * 8);
  }
  if (all) std::fill_n(sums, 3, 0);
  if (!scan_.Start(data_, size_, header_, layout, planes_)) return false;
  RowWriter writer(layout, planes_, region, out, sums, rows_scratch_);
  const int end = all ? layout.height : region.y + region.height;
  int y = all ? 0 : region.y;
  for (int mcu_y = window.y0; mcu_y < window.y1; ++mcu_y) {
    if (!scan_.SkipTo(static_cast<int64_t>(mcu_y) * layout.mcus_x + window.x0) || !scan_.Read(window.x1 - window.x0)) return false;
    ExtendEdges(layout, window, mcu_y, planes_);
    // The lowest row of pixels is upsampled from the next MCUs' chroma too.
    const bool last = mcu_y + 1 == layout.mcus_y;
    const int complete = (mcu_y + 1) * layout.mcu_height - (layout.mcu_height > 8 && !last ? 1 : 0);
    for (const int stop = std::min(end, complete); y < stop; ++y) writer.Row(y);
  }
  return end < layout.height || scan_.Finish();
}

}  // namespace siam::data::jpeg
