#include "warp.h"

#include <algorithm>
#include <cmath>

#include "warp_kernels.h"

namespace siam::data {
namespace {

/// Reads eight bytes from a left tap, of which a pair of pixels has six.
constexpr int kReadAhead = 2;

struct Taps {
  int first;      ///< lower source index
  float weight;   ///< of the next one
};

Taps TapsAt(double origin, double step, int out_index) {
  const double source = origin + step * out_index;
  const double below = std::floor(source);
  // Far outside of any frame every tap is border; the clamp only keeps the conversion defined.
  return {static_cast<int>(std::clamp(below, -1e9, 1e9)), static_cast<float>(source - below)};
}

class RowSampler {
 public:
  RowSampler(const FrameView& frame, const WarpAxes& warp, int out_size, Bgr border, WarpScratch& scratch)
      : frame_(frame), size_(out_size), border_{static_cast<float>(border.b), static_cast<float>(border.g), static_cast<float>(border.r)},
        scratch_(scratch), kernels_(PixelKernelsOfThisCpu()) {
    scratch.left.resize(out_size);
    scratch.weight.resize(static_cast<size_t>(out_size) * 4);
    for (auto& row : scratch.rows) row.resize(static_cast<size_t>(out_size) * 4 + 8);
    begin_ = out_size;
    end_ = 0;
    const int row_end = frame.region.x + frame.region.width;
    for (int i = 0; i < out_size; ++i) {
      const Taps taps = TapsAt(warp.origin_x, warp.step_x, i);
      scratch.left[i] = taps.first;
      std::fill_n(scratch.weight.begin() + 4 * i, 4, taps.weight);
      // The fast loop takes the columns whose two taps, and the bytes read beyond them, are in the row.
      if (taps.first >= frame.region.x && taps.first + 1 + kReadAhead <= row_end) {
        begin_ = std::min(begin_, i);
        end_ = i + 1;
      }
    }
    if (end_ <= begin_ || warp.step_x <= 0) begin_ = end_ = 0;
  }

  /// @returns row `y` of the frame resampled to the output's columns: B G R 0.
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

 private:
  void Sample(int y, float* out) const {
    const int top = frame_.region.y, bottom = frame_.region.y + frame_.region.height;
    if (y < top || y >= bottom) {
      for (int i = 0; i < size_; ++i) Put(out + 4 * i, border_);
      return;
    }
    const uint8_t* row = frame_.pixels + frame_.stride * static_cast<size_t>(y - top) - 3 * static_cast<ptrdiff_t>(frame_.region.x);
    for (int i = 0; i < begin_; ++i) SampleEdge(row, i, out + 4 * i);
    kernels_.sample_row(row, scratch_.left.data(), scratch_.weight.data(), begin_, end_, out);
    for (int i = end_; i < size_; ++i) SampleEdge(row, i, out + 4 * i);
  }

  void SampleEdge(const uint8_t* row, int i, float* out) const {
    const int x = scratch_.left[i];
    const float w = scratch_.weight[4 * i];
    for (int c = 0; c < 3; ++c) {
      const float a = Inside(x) ? row[3 * static_cast<ptrdiff_t>(x) + c] : border_[c];
      const float b = Inside(x + 1) ? row[3 * static_cast<ptrdiff_t>(x + 1) + c] : border_[c];
      out[c] = a + w * (b - a);
    }
    out[3] = 0;
  }

  bool Inside(int x) const { return x >= frame_.region.x && x < frame_.region.x + frame_.region.width; }

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
};

}  // namespace

void WarpCrop(const FrameView& frame, const CropSquare& crop, Bgr border, PixelLayout layout, WarpScratch& scratch, uint8_t* out) {
  const WarpAxes warp = WarpOf(crop);
  const int size = crop.out_size;
  const PixelKernelTable& kernels = PixelKernelsOfThisCpu();
  RowSampler sampler(frame, warp, size, border, scratch);
  const size_t plane = static_cast<size_t>(size) * size;
  for (int y = 0; y < size; ++y) {
    const Taps taps = TapsAt(warp.origin_y, warp.step_y, y);
    const float* upper = sampler.Row(taps.first);
    // With no weight the lower row is not looked at: it may lie one below the frame, where sampling it would be wasted.
    const float* lower = taps.weight == 0 ? upper : sampler.Row(taps.first + 1);
    const size_t row = static_cast<size_t>(y) * size;
    if (layout == PixelLayout::kPlanar) {
      kernels.blend_planar(upper, lower, taps.weight, size, out + row, out + plane + row, out + 2 * plane + row);
    } else {
      kernels.blend_interleaved(upper, lower, taps.weight, size, out + 3 * row);
    }
  }
}

const char* PixelKernels() { return PixelKernelsOfThisCpu().name; }

}  // namespace siam::data
