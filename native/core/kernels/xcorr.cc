#include "xcorr.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace siam::kernels {

namespace {

constexpr int64_t kLanes = kXcorrLanes;

template <class T>
SIAM_INLINE void load_plane(const T* from, float* to, int64_t count) {
  for (int64_t i = 0; i < count; i++) to[i] = to_float(from[i]);
}

template <class T>
SIAM_INLINE void store_plane(const float* from, T* to, int64_t count) {
  for (int64_t i = 0; i < count; i++) to[i] = from_float<T>(from[i]);
}

template <class T>
SIAM_INLINE void forward_planar(const T* x, const T* k, T* out, const XcorrSizes& s, int64_t begin, int64_t end) {
  std::vector<float> plane(s.H * s.W), kernel(s.h * s.w), result(s.oh * s.ow);
  for (int64_t q = begin; q < end; q++) {
    load_plane(x + q * s.H * s.W, plane.data(), s.H * s.W);
    load_plane(k + q * s.h * s.w, kernel.data(), s.h * s.w);
    for (int64_t oy = 0; oy < s.oh; oy++) {
      float* row = result.data() + oy * s.ow;
      std::fill(row, row + s.ow, 0.0f);
      for (int64_t i = 0; i < s.h; i++) {
        for (int64_t j = 0; j < s.w; j++) {
          const float weight = kernel[i * s.w + j];
          const float* in = plane.data() + (oy + i) * s.W + j;
          for (int64_t ox = 0; ox < s.ow; ox++) row[ox] += weight * in[ox];
        }
      }
    }
    store_plane(result.data(), out + q * s.oh * s.ow, s.oh * s.ow);
  }
}

template <class T>
SIAM_INLINE void grad_planar(const T* x, const T* k, const T* dout, T* dx, T* dk, const XcorrSizes& s, int64_t begin, int64_t end) {
  std::vector<float> plane(s.H * s.W), kernel(s.h * s.w), g(s.oh * s.ow), dplane(s.H * s.W), dkernel(s.h * s.w);
  for (int64_t q = begin; q < end; q++) {
    load_plane(x + q * s.H * s.W, plane.data(), s.H * s.W);
    load_plane(k + q * s.h * s.w, kernel.data(), s.h * s.w);
    load_plane(dout + q * s.oh * s.ow, g.data(), s.oh * s.ow);
    std::fill(dplane.begin(), dplane.end(), 0.0f);
    std::fill(dkernel.begin(), dkernel.end(), 0.0f);
    for (int64_t oy = 0; oy < s.oh; oy++) {
      const float* g_row = g.data() + oy * s.ow;
      for (int64_t i = 0; i < s.h; i++) {
        for (int64_t j = 0; j < s.w; j++) {
          const float weight = kernel[i * s.w + j];
          const float* in = plane.data() + (oy + i) * s.W + j;
          float* d = dplane.data() + (oy + i) * s.W + j;
          float lanes[kLanes] = {};
          int64_t ox = 0;
          for (; ox + kLanes <= s.ow; ox += kLanes) {
            for (int64_t l = 0; l < kLanes; l++) {
              lanes[l] += g_row[ox + l] * in[ox + l];
              d[ox + l] += weight * g_row[ox + l];
            }
          }
          for (int64_t l = 0; ox < s.ow; ox++, l++) {
            lanes[l] += g_row[ox] * in[ox];
            d[ox] += weight * g_row[ox];
          }
          float total = 0;
          for (int64_t l = 0; l < kLanes; l++) total += lanes[l];
          dkernel[i * s.w + j] += total;
        }
      }
    }
    store_plane(dplane.data(), dx + q * s.H * s.W, s.H * s.W);
    store_plane(dkernel.data(), dk + q * s.h * s.w, s.h * s.w);
  }
}

// Interleaved: a chunk of kLanes channels at a time, copied into a plane of its own first. In place its pixels lie C channels apart, which
// neither the caches' lines nor their prefetchers like (three times as slow). kBlock sums run beside each other, so that a sum need
// not wait for its own last addition; each adds in the same order whatever the blocking.
constexpr int kBlock = 4;

/// Chunk [c, c + kLanes) of `pixels` interleaved pixels; channels that are not there become 0.
template <class T>
SIAM_INLINE void load_chunk(const T* from, float* to, int64_t pixels, int64_t C, int64_t c) {
  const int64_t lanes = std::min(kLanes, C - c);
  for (int64_t p = 0; p < pixels; p++) {
    if (lanes == kLanes) {
      for (int64_t l = 0; l < kLanes; l++) to[p * kLanes + l] = to_float(from[p * C + c + l]);
    } else {
      for (int64_t l = 0; l < kLanes; l++) to[p * kLanes + l] = l < lanes ? to_float(from[p * C + c + l]) : 0.0f;
    }
  }
}

template <class T>
SIAM_INLINE void store_chunk(const float* from, T* to, int64_t pixels, int64_t C, int64_t c) {
  const int64_t lanes = std::min(kLanes, C - c);
  for (int64_t p = 0; p < pixels; p++) {
    if (lanes == kLanes) {
      for (int64_t l = 0; l < kLanes; l++) to[p * C + c + l] = from_float<T>(from[p * kLanes + l]);
    } else {
      for (int64_t l = 0; l < lanes; l++) to[p * C + c + l] = from_float<T>(from[p * kLanes + l]);
    }
  }
}

/// acc += a * b, channel by channel.
SIAM_INLINE void add_products(float* acc, const float* a, const float* b) {
  for (int64_t l = 0; l < kLanes; l++) acc[l] += a[l] * b[l];
}

/// B neighbouring outputs from the image at `in`.
template <int B>
SIAM_INLINE void forward_block(const float* in, const float* kernel, float* out, const XcorrSizes& s) {
  float acc[B][kLanes] = {};
  for (int64_t i = 0; i < s.h; i++) {
    for (int64_t j = 0; j < s.w; j++) {
      for (int b = 0; b < B; b++) add_products(acc[b], kernel + (i * s.w + j) * kLanes, in + (i * s.W + j + b) * kLanes);
    }
  }
  std::memcpy(out, acc, sizeof acc);
}

template <class T>
SIAM_INLINE void forward_rows(const T* x, const T* k, T* out, const XcorrSizes& s, int64_t begin, int64_t end) {
  std::vector<float> image(s.H * s.W * kLanes), kernel(s.h * s.w * kLanes), result(s.oh * s.ow * kLanes);
  const int64_t chunks = xcorr_chunks(s);
  for (int64_t unit = begin; unit < end; unit++) {
    const int64_t n = unit / chunks, c = unit % chunks * kLanes;
    load_chunk(x + n * s.H * s.W * s.C, image.data(), s.H * s.W, s.C, c);
    load_chunk(k + n * s.h * s.w * s.C, kernel.data(), s.h * s.w, s.C, c);
    for (int64_t oy = 0; oy < s.oh; oy++) {
      const float* in = image.data() + oy * s.W * kLanes;
      float* to = result.data() + oy * s.ow * kLanes;
      int64_t ox = 0;
      for (; ox + kBlock <= s.ow; ox += kBlock) forward_block<kBlock>(in + ox * kLanes, kernel.data(), to + ox * kLanes, s);
      for (; ox < s.ow; ox++) forward_block<1>(in + ox * kLanes, kernel.data(), to + ox * kLanes, s);
    }
    store_chunk(result.data(), out + n * s.oh * s.ow * s.C, s.oh * s.ow, s.C, c);
  }
}

/// Gradients of B neighbouring pixels from (y, xx) on, all of which see the kernel's columns [j_begin, j_end).
template <int B>
SIAM_INLINE void image_grad_block(const float* g, const float* kernel, float* dx, const XcorrSizes& s, int64_t y, int64_t xx, int64_t j_begin, int64_t j_end) {
  const int64_t i_begin = std::max<int64_t>(0, y - s.oh + 1), i_end = std::min(s.h, y + 1);
  float acc[B][kLanes] = {};
  for (int64_t i = i_begin; i < i_end; i++) {
    for (int64_t j = j_begin; j < j_end; j++) {
      for (int b = 0; b < B; b++) add_products(acc[b], kernel + (i * s.w + j) * kLanes, g + ((y - i) * s.ow + xx + b - j) * kLanes);
    }
  }
  std::memcpy(dx + (y * s.W + xx) * kLanes, acc, sizeof acc);
}

SIAM_INLINE void image_grad(const float* g, const float* kernel, float* dx, const XcorrSizes& s) {
  for (int64_t y = 0; y < s.H; y++) {
    for (int64_t xx = 0; xx < s.W;) {
      if (xx >= s.w - 1 && xx + kBlock <= s.ow) {  // away from both borders: each pixel sees the whole kernel
        image_grad_block<kBlock>(g, kernel, dx, s, y, xx, 0, s.w);
        xx += kBlock;
      } else {
        image_grad_block<1>(g, kernel, dx, s, y, xx, std::max<int64_t>(0, xx - s.ow + 1), std::min(s.w, xx + 1));
        xx++;
      }
    }
  }
}

/// Gradients of B neighbouring elements of the kernel from (i, j) on.
template <int B>
SIAM_INLINE void kernel_grad_block(const float* image, const float* g, float* dk, const XcorrSizes& s, int64_t i, int64_t j) {
  float acc[B][kLanes] = {};
  for (int64_t oy = 0; oy < s.oh; oy++) {
    for (int64_t ox = 0; ox < s.ow; ox++) {
      for (int b = 0; b < B; b++) add_products(acc[b], g + (oy * s.ow + ox) * kLanes, image + ((oy + i) * s.W + ox + j + b) * kLanes);
    }
  }
  std::memcpy(dk + (i * s.w + j) * kLanes, acc, sizeof acc);
}

SIAM_INLINE void kernel_grad(const float* image, const float* g, float* dk, const XcorrSizes& s) {
  for (int64_t i = 0; i < s.h; i++) {
    int64_t j = 0;
    for (; j + kBlock <= s.w; j += kBlock) kernel_grad_block<kBlock>(image, g, dk, s, i, j);
    for (; j < s.w; j++) kernel_grad_block<1>(image, g, dk, s, i, j);
  }
}

template <class T>
SIAM_INLINE void grad_rows(const T* x, const T* k, const T* dout, T* dx, T* dk, const XcorrSizes& s, int64_t begin, int64_t end) {
  std::vector<float> image(s.H * s.W * kLanes), kernel(s.h * s.w * kLanes), g(s.oh * s.ow * kLanes), d_image(image.size()), d_kernel(kernel.size());
  for (int64_t n = begin; n < end; n++) {
    for (int64_t c = 0; c < s.C; c += kLanes) {
      load_chunk(x + n * s.H * s.W * s.C, image.data(), s.H * s.W, s.C, c);
      load_chunk(k + n * s.h * s.w * s.C, kernel.data(), s.h * s.w, s.C, c);
      load_chunk(dout + n * s.oh * s.ow * s.C, g.data(), s.oh * s.ow, s.C, c);
      image_grad(g.data(), kernel.data(), d_image.data(), s);
      kernel_grad(image.data(), g.data(), d_kernel.data(), s);
      store_chunk(d_image.data(), dx + n * s.H * s.W * s.C, s.H * s.W, s.C, c);
      store_chunk(d_kernel.data(), dk + n * s.h * s.w * s.C, s.h * s.w, s.C, c);
    }
  }
}

}  // namespace

#define SIAM_XCORR_ENTRY_POINTS(T)                                                                                                               \
  SIAM_CLONES void xcorr_planar(const T* x, const T* k, T* out, const XcorrSizes& s, int64_t begin, int64_t end) {                               \
    forward_planar<T>(x, k, out, s, begin, end);                                                                                                 \
  }                                                                                                                                              \
  SIAM_CLONES void xcorr_grad_planar(const T* x, const T* k, const T* dout, T* dx, T* dk, const XcorrSizes& s, int64_t begin, int64_t end) {     \
    grad_planar<T>(x, k, dout, dx, dk, s, begin, end);                                                                                           \
  }                                                                                                                                              \
  SIAM_CLONES void xcorr_rows(const T* x, const T* k, T* out, const XcorrSizes& s, int64_t begin, int64_t end) {                                 \
    forward_rows<T>(x, k, out, s, begin, end);                                                                                                   \
  }                                                                                                                                              \
  SIAM_CLONES void xcorr_grad_rows(const T* x, const T* k, const T* dout, T* dx, T* dk, const XcorrSizes& s, int64_t begin, int64_t end) {       \
    grad_rows<T>(x, k, dout, dx, dk, s, begin, end);                                                                                             \
  }

SIAM_XCORR_ENTRY_POINTS(float)
SIAM_XCORR_ENTRY_POINTS(Bf16)

}  // namespace siam::kernels
