#include "warp.h"

#include <algorithm>
#include <cmath>

#include "warp_kernels.h"

namespace siam::data {
namespace {

constexpr size_t kAlignment = 16;  // floats of a cache line

class RowSampler {
 public:
  RowSampler(const FrameView& frame, const WarpAxis& axis, int out_size, Bgr border, WarpScratch& scratch)
      : frame_(frame), size_(out_size), border_{static_cast<float>(border.b), static_cast<float>(border.g), static_cast<float>(border.r)},
        scratch_(scratch), kernels_(PixelKernelsOfThisCpu()) {
    ColumnTaps& columns = scratch.columns;
    const size_t plane = static_cast<size_t>(out_size) + kColumnSlack;
    scratch.taps.resize(out_size);
    columns.left.resize(plane);
    columns.weight.resize(plane);
    for (auto& row : scratch.rows) row.resize(3 * PlaneOf(out_size) + kAlignment);
    columns.begin = out_size;
    columns.end = 0;
    const int row_end = frame.region.x + frame.region.width;
    for (int i = 0; i < out_size; ++i) {
      const AxisTap tap = axis.At(i);
      scratch.taps[i] = tap;
      columns.left[i] = tap.left;
      columns.weight[i] = tap.weight;
      if (tap.side == FrameSide::kInside && tap.left + 1 + ColumnTaps::kReadAhead <= row_end) {
        columns.begin = std::min(columns.begin, i);
        columns.end = i + 1;
      }
    }
    if (columns.end <= columns.begin || axis.step <= 0) columns.begin = columns.end = 0;
    if (kernels_.plan != nullptr) kernels_.plan(columns);
  }

  /// @returns the picture's row `y` resampled to the output's columns
  FloatRow Row(int y) {
    // Rows come in order, most of them twice: as the lower, then as the upper tap.
    for (int k = 0; k < 2; ++k) {
      if (have_[k] && row_of_[k] == y) {
        newest_ = k;
        return Of(k);
      }
    }
    const int slot = 1 - newest_;
    newest_ = slot;
    have_[slot] = true;
    row_of_[slot] = y;
    Sample(y, Of(slot));
    return Of(slot);
  }

  /// @returns a row of the border's value
  FloatRow BorderRow() {
    const FloatRow out = Of(2);
    if (!have_border_) {
      for (int c = 0; c < 3; ++c) std::fill_n(out.values + c * out.plane, size_, border_[c]);
    }
    have_border_ = true;
    return out;
  }

  /// @returns a + weight · (b − a)
  FloatRow Between(FloatRow a, FloatRow b, float weight) {
    const FloatRow out = Of(3);
    for (size_t i = 0; i < 3 * out.plane; ++i) out.values[i] = a.values[i] + weight * (b.values[i] - a.values[i]);
    return out;
  }

 private:
  /// Floats from one plane to the next: whole cache lines.
  static size_t PlaneOf(int size) { return (static_cast<size_t>(size) + kColumnSlack + kAlignment - 1) / kAlignment * kAlignment; }

  FloatRow Of(int slot) {
    const auto address = reinterpret_cast<uintptr_t>(scratch_.rows[slot].data());
    constexpr uintptr_t kBytes = kAlignment * sizeof(float);
    return {reinterpret_cast<float*>((address + kBytes - 1) / kBytes * kBytes), PlaneOf(size_)};
  }

  void Sample(int y, FloatRow out) const {
    const uint8_t* row = frame_.pixels + frame_.stride * static_cast<size_t>(y - frame_.region.y) - 3 * static_cast<ptrdiff_t>(frame_.region.x);
    // The kernel first: it may write beyond its columns.
    kernels_.sample_row(row, scratch_.columns, out);
    for (int i = 0; i < scratch_.columns.begin; ++i) SampleEdge(row, i, out);
    for (int i = scratch_.columns.end; i < size_; ++i) SampleEdge(row, i, out);
  }

  void SampleEdge(const uint8_t* row, int i, FloatRow out) const {
    const AxisTap& tap = scratch_.taps[i];
    const uint8_t* left = row + 3 * static_cast<ptrdiff_t>(tap.left);
    for (int c = 0; c < 3; ++c) {
      float& value = out.values[c * out.plane + i];
      if (tap.side == FrameSide::kOutside) {
        value = border_[c];
        continue;
      }
      const float p = left[c];
      // Without weight there need not be a next pixel.
      const float inside = tap.weight == 0 ? p : p + tap.weight * (static_cast<float>(left[3 + c]) - p);
      value = tap.side == FrameSide::kInside   ? inside
              : tap.side == FrameSide::kBefore ? border_[c] + tap.blend * (inside - border_[c])
                                               : inside + tap.blend * (border_[c] - inside);
    }
  }

  const FrameView& frame_;
  const int size_;
  const float border_[3];
  WarpScratch& scratch_;
  const PixelKernelTable& kernels_;
  bool have_[2] = {false, false};
  int row_of_[2] = {0, 0};
  int newest_ = 1;
  bool have_border_ = false;
};

/// Two rows and the weight of the second.
struct RowPair {
  FloatRow a, b;
  float weight;
};

RowPair RowsOf(const AxisTap& tap, RowSampler& sampler) {
  if (tap.side == FrameSide::kOutside) return {sampler.BorderRow(), sampler.BorderRow(), 0};
  const FloatRow upper = sampler.Row(tap.left);
  // With no weight the lower row is not looked at: it may lie below the picture, or be wanted by no other output row.
  const FloatRow lower = tap.weight == 0 ? upper : sampler.Row(tap.left + 1);
  if (tap.side == FrameSide::kInside) return {upper, lower, tap.weight};
  const FloatRow inside = tap.weight == 0 ? upper : sampler.Between(upper, lower, tap.weight);
  if (tap.side == FrameSide::kBefore) return {sampler.BorderRow(), inside, tap.blend};
  return {inside, sampler.BorderRow(), tap.blend};
}

}  // namespace

void WarpCrop(const FrameView& frame, const CropSquare& crop, Bgr border, PixelLayout layout, WarpScratch& scratch, uint8_t* out) {
  const WarpAxes warp = WarpOf(crop);
  const Rect& region = frame.region;
  const WarpAxis columns{warp.origin_x, warp.step_x, frame.grid.x, region.x, region.x + region.width, frame.frame_width};
  const WarpAxis rows{warp.origin_y, warp.step_y, frame.grid.y, region.y, region.y + region.height, frame.frame_height};
  const int size = crop.out_size;
  const PixelKernelTable& kernels = PixelKernelsOfThisCpu();
  RowSampler sampler(frame, columns, size, border, scratch);
  const size_t plane = static_cast<size_t>(size) * size;
  for (int y = 0; y < size; ++y) {
    const RowPair pair = RowsOf(rows.At(y), sampler);
    const size_t row = static_cast<size_t>(y) * size;
    if (layout == PixelLayout::kPlanar) {
      kernels.blend_planar(pair.a, pair.b, pair.weight, size, out + row, out + plane + row, out + 2 * plane + row);
    } else {
      BlendInterleaved(kernels, pair.a, pair.b, pair.weight, size, out + 3 * row);
    }
  }
}

const char* PixelKernels() { return PixelKernelsOfThisCpu().name; }

}  // namespace siam::data
