#include "warp.h"

#include <algorithm>
#include <cmath>

#include "warp_kernels.h"

namespace siam::data {
namespace {

/// Reads eight bytes from a left tap, of which a pair of pixels has six.
constexpr int kReadAhead = 2;

class RowSampler {
 public:
  RowSampler(const FrameView& frame, const WarpAxis& axis, int out_size, Bgr border, WarpScratch& scratch)
      : frame_(frame), size_(out_size), border_{static_cast<float>(border.b), static_cast<float>(border.g), static_cast<float>(border.r)},
        scratch_(scratch), kernels_(PixelKernelsOfThisCpu()) {
    scratch.taps.resize(out_size);
    scratch.left.resize(out_size);
    scratch.weight.resize(static_cast<size_t>(out_size) * 4);
    for (auto& row : scratch.rows) row.resize(static_cast<size_t>(out_size) * 4 + 8);
    begin_ = out_size;
    end_ = 0;
    const int row_end = frame.region.x + frame.region.width;
    for (int i = 0; i < out_size; ++i) {
      const AxisTap tap = axis.At(i);
      scratch.taps[i] = tap;
      scratch.left[i] = tap.left;
      std::fill_n(scratch.weight.begin() + 4 * i, 4, tap.weight);
      // The fast loop takes the columns whose two taps, and the bytes read beyond them, are in the row.
      if (tap.side == FrameSide::kInside && tap.left + 1 + kReadAhead <= row_end) {
        begin_ = std::min(begin_, i);
        end_ = i + 1;
      }
    }
    if (end_ <= begin_ || axis.step <= 0) begin_ = end_ = 0;
  }

  /// @returns the picture's row `y` resampled to the output's columns: B G R 0.
  const float* Row(int y) {
    // Rows come in order, most of them twice: as the lower, then as the upper tap.
    for (int k = 0; k < 2; ++k) {
      if (have_[k] && row_of_[k] == y) {
        newest_ = k;
        return scratch_.rows[k].data();
      }
    }
    const int slot = 1 - newest_;
    newest_ = slot;
    have_[slot] = true;
    row_of_[slot] = y;
    Sample(y, scratch_.rows[slot].data());
    return scratch_.rows[slot].data();
  }

  /// @returns a row of the border's value
  const float* BorderRow() {
    float* out = scratch_.rows[2].data();
    if (!have_border_) {
      for (int i = 0; i < size_; ++i) Put(out + 4 * i, border_);
    }
    have_border_ = true;
    return out;
  }

  /// @returns a + weight · (b − a)
  const float* Between(const float* a, const float* b, float weight) {
    float* out = scratch_.rows[3].data();
    for (int i = 0; i < 4 * size_; ++i) out[i] = a[i] + weight * (b[i] - a[i]);
    return out;
  }

 private:
  void Sample(int y, float* out) const {
    const uint8_t* row = frame_.pixels + frame_.stride * static_cast<size_t>(y - frame_.region.y) - 3 * static_cast<ptrdiff_t>(frame_.region.x);
    for (int i = 0; i < begin_; ++i) SampleEdge(row, scratch_.taps[i], out + 4 * i);
    kernels_.sample_row(row, scratch_.left.data(), scratch_.weight.data(), begin_, end_, out);
    for (int i = end_; i < size_; ++i) SampleEdge(row, scratch_.taps[i], out + 4 * i);
  }

  void SampleEdge(const uint8_t* row, const AxisTap& tap, float* out) const {
    if (tap.side == FrameSide::kOutside) return Put(out, border_);
    const uint8_t* left = row + 3 * static_cast<ptrdiff_t>(tap.left);
    for (int c = 0; c < 3; ++c) {
      const float p = left[c];
      // Without weight there need not be a next pixel.
      const float inside = tap.weight == 0 ? p : p + tap.weight * (static_cast<float>(left[3 + c]) - p);
      out[c] = tap.side == FrameSide::kInside   ? inside
               : tap.side == FrameSide::kBefore ? border_[c] + tap.blend * (inside - border_[c])
                                                : inside + tap.blend * (border_[c] - inside);
    }
    out[3] = 0;
  }

  static void Put(float* out, const float* bgr) {
    out[0] = bgr[0];
    out[1] = bgr[1];
    out[2] = bgr[2];
    out[3] = 0;
  }

  const FrameView& frame_;
  const int size_;
  const float border_[3];
  WarpScratch& scratch_;
  const PixelKernelTable& kernels_;
  int begin_ = 0, end_ = 0;
  bool have_[2] = {false, false};
  int row_of_[2] = {0, 0};
  int newest_ = 1;
  bool have_border_ = false;
};

/// Two rows and the weight of the second.
struct RowPair {
  const float* a;
  const float* b;
  float weight;
};

RowPair RowsOf(const AxisTap& tap, RowSampler& sampler) {
  if (tap.side == FrameSide::kOutside) return {sampler.BorderRow(), sampler.BorderRow(), 0};
  const float* upper = sampler.Row(tap.left);
  // With no weight the lower row is not looked at: it may lie below the picture, or be wanted by no other output row.
  const float* lower = tap.weight == 0 ? upper : sampler.Row(tap.left + 1);
  if (tap.side == FrameSide::kInside) return {upper, lower, tap.weight};
  const float* inside = tap.weight == 0 ? upper : sampler.Between(upper, lower, tap.weight);
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
      kernels.blend_interleaved(pair.a, pair.b, pair.weight, size, out + 3 * row);
    }
  }
}

const char* PixelKernels() { return PixelKernelsOfThisCpu().name; }

}  // namespace siam::data
