#include "activations.h"

#include <algorithm>

namespace siam::kernels {

namespace {

constexpr int64_t kWindow = 3;
constexpr int64_t kLanes = 16;

/// The window's rows or columns that lie inside: [begin, end) of the input.
struct Span {
  int64_t begin, end;
};

SIAM_INLINE Span span_of(int64_t out, int64_t stride, int64_t pad, int64_t size) {
  const int64_t start = out * stride - pad;
  return {std::max<int64_t>(0, start), std::min(size, start + kWindow)};
}

/// to = max(to, a, b, c). Bytes may alias anything, so that nothing is vectorised without the promise.
template <class T>
SIAM_INLINE void keep_largest(const T* __restrict a, const T* __restrict b, const T* __restrict c, T* __restrict to, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; i++) {
    const T two = a[i] > b[i] ? a[i] : b[i], three = two > c[i] ? two : c[i];
    to[i] = three > to[i] ? three : to[i];
  }
}

template <class T>
SIAM_INLINE void max_pool(const T* x, T* out, const PoolSizes& sizes, int64_t begin, int64_t end) {
  const PoolSizes s = sizes;
  for (int64_t row = begin; row < end; row++) {
    const T* image = x + row / s.OH * s.H * s.W * s.C;
    const Span ys = span_of(row % s.OH, s.stride, s.pad, s.H);
    for (int64_t ox = 0; ox < s.OW; ox++) {
      const Span xs = span_of(ox, s.stride, s.pad, s.W);
      T* to = out + (row * s.OW + ox) * s.C;
      std::copy_n(image + (ys.begin * s.W + xs.begin) * s.C, s.C, to);
      for (int64_t y = ys.begin; y < ys.end; y++) {
        const T *first = image + (y * s.W + xs.begin) * s.C, *last = image + (y * s.W + xs.end - 1) * s.C;
        keep_largest(first, xs.end - xs.begin == kWindow ? first + s.C : first, last, to, s.C);  // a cut window's pixel twice changes nothing
      }
    }
  }
}

/// Nine times a mean → the mean.
SIAM_INLINE float ninth(float sum) { return sum / 9.0f; }
SIAM_INLINE uint8_t ninth(uint16_t sum) { return static_cast<uint8_t>((sum + 4u) / 9u); }

template <class T, class Sum>
SIAM_INLINE void mean_pool(const T* x, T* out, const PoolSizes& sizes, int64_t begin, int64_t end) {
  const PoolSizes s = sizes;
  constexpr int64_t kMost = 64;
  for (int64_t row = begin; row < end; row++) {
    const T* image = x + row / s.OH * s.H * s.W * s.C;
    const Span ys = span_of(row % s.OH, s.stride, s.pad, s.H);
    for (int64_t ox = 0; ox < s.OW; ox++) {
      const Span xs = span_of(ox, s.stride, s.pad, s.W);
      for (int64_t c = 0; c < s.C; c += kMost) {
        const int64_t count = std::min(kMost, s.C - c);
        Sum sums[kMost] = {};
        for (int64_t y = ys.begin; y < ys.end; y++) {
          for (int64_t xx = xs.begin; xx < xs.end; xx++) {
            const T* __restrict in = image + (y * s.W + xx) * s.C + c;
#pragma omp simd
            for (int64_t i = 0; i < count; i++) sums[i] = static_cast<Sum>(sums[i] + in[i]);
          }
        }
        T* to = out + (row * s.OW + ox) * s.C + c;
        for (int64_t i = 0; i < count; i++) to[i] = ninth(sums[i]);
      }
    }
  }
}

}  // namespace

SIAM_CLONES void max_pool_rows(const float* x, float* out, const PoolSizes& s, int64_t begin, int64_t end) { max_pool(x, out, s, begin, end); }
SIAM_CLONES void max_pool_rows(const uint8_t* x, uint8_t* out, const PoolSizes& s, int64_t begin, int64_t end) { max_pool(x, out, s, begin, end); }
SIAM_CLONES void mean_pool_rows(const float* x, float* out, const PoolSizes& s, int64_t begin, int64_t end) { mean_pool<float, float>(x, out, s, begin, end); }
SIAM_CLONES void mean_pool_rows(const uint8_t* x, uint8_t* out, const PoolSizes& s, int64_t begin, int64_t end) { mean_pool<uint8_t, uint16_t>(x, out, s, begin, end); }

SIAM_CLONES void image_to_float(const uint8_t* __restrict image, float* __restrict out, const float offsets[3], bool swap, int64_t begin, int64_t end) {
  const int64_t first = swap ? 2 : 0, third = 2 - first;
  const float o0 = offsets[0], o1 = offsets[1], o2 = offsets[2];
  for (int64_t i = begin; i < end; i++) {
    out[3 * i + first] = static_cast<float>(image[3 * i]) - o0;
    out[3 * i + 1] = static_cast<float>(image[3 * i + 1]) - o1;
    out[3 * i + third] = static_cast<float>(image[3 * i + 2]) - o2;
  }
}

SIAM_CLONES void to_bytes(const float* __restrict x, uint8_t* __restrict out, ByteScale as, int64_t begin, int64_t end) {
  const float factor = 1.0f / as.scale, zero = static_cast<float>(as.zero) + 0.5f;  // truncation after +½: the values are not negative
  for (int64_t i = begin; i < end; i++) out[i] = static_cast<uint8_t>(static_cast<int32_t>(std::min(255.0f, std::max(0.0f, x[i] * factor + zero))));
}

SIAM_CLONES void from_bytes(const uint8_t* __restrict x, float* __restrict out, ByteScale as, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i++) out[i] = static_cast<float>(static_cast<int32_t>(x[i]) - as.zero) * as.scale;
}

SIAM_CLONES void widen_range(const float* x, int64_t begin, int64_t end, float& low, float& high) {
  float lows[kLanes], highs[kLanes];
  std::fill(lows, lows + kLanes, low);
  std::fill(highs, highs + kLanes, high);
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) {
    for (int64_t l = 0; l < kLanes; l++) {
      lows[l] = std::min(lows[l], x[i + l]);
      highs[l] = std::max(highs[l], x[i + l]);
    }
  }
  for (int64_t l = 0; i < end; i++, l++) {
    lows[l] = std::min(lows[l], x[i]);
    highs[l] = std::max(highs[l], x[i]);
  }
  low = *std::min_element(lows, lows + kLanes);
  high = *std::max_element(highs, highs + kLanes);
}

SIAM_CLONES void dense_rows(const float* x, const float* w, const float* bias, float* out, int64_t C, int64_t outputs, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    const float* in = x + row * C;
    for (int64_t o = 0; o < outputs; o++) {
      const float* weights = w + o * C;
      float lanes[kLanes] = {};
      int64_t c = 0;
      for (; c + kLanes <= C; c += kLanes) {
        for (int64_t l = 0; l < kLanes; l++) lanes[l] += in[c + l] * weights[c + l];
      }
      for (int64_t l = 0; c < C; c++, l++) lanes[l] += in[c] * weights[c];
      float sum = 0;
      for (int64_t l = 0; l < kLanes; l++) sum += lanes[l];
      out[row * outputs + o] = sum + bias[o];
    }
  }
}

}  // namespace siam::kernels
