#include "xcorr.h"

#include <algorithm>
#include <vector>

namespace siam::kernels {

namespace {

constexpr int64_t kLanes = 16;

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

// Interleaved: a chunk of channels at a time, so that a chunk of the kernel and its sums stay in registers or in the first-level cache.
template <class T>
SIAM_INLINE void forward_rows(const T* x, const T* k, T* out, const XcorrSizes& s, int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; n++) {
    const T* image = x + n * s.H * s.W * s.C;
    const T* kernel = k + n * s.h * s.w * s.C;
    T* result = out + n * s.oh * s.ow * s.C;
    for (int64_t c = 0; c < s.C; c += kLanes) {
      const int64_t lanes = std::min(kLanes, s.C - c);
      for (int64_t oy = 0; oy < s.oh; oy++) {
        for (int64_t ox = 0; ox < s.ow; ox++) {
          float acc[kLanes] = {};
          for (int64_t i = 0; i < s.h; i++) {
            for (int64_t j = 0; j < s.w; j++) {
              const T* in = image + ((oy + i) * s.W + ox + j) * s.C + c;
              const T* weight = kernel + (i * s.w + j) * s.C + c;
              if (lanes == kLanes) {
                for (int64_t l = 0; l < kLanes; l++) acc[l] += to_float(weight[l]) * to_float(in[l]);
              } else {
                for (int64_t l = 0; l < lanes; l++) acc[l] += to_float(weight[l]) * to_float(in[l]);
              }
            }
          }
          T* to = result + (oy * s.ow + ox) * s.C + c;
          for (int64_t l = 0; l < lanes; l++) to[l] = from_float<T>(acc[l]);
        }
      }
    }
  }
}

template <class T>
SIAM_INLINE void grad_rows(const T* x, const T* k, const T* dout, T* dx, T* dk, const XcorrSizes& s, int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; n++) {
    const T* image = x + n * s.H * s.W * s.C;
    const T* kernel = k + n * s.h * s.w * s.C;
    const T* g = dout + n * s.oh * s.ow * s.C;
    T* d_image = dx + n * s.H * s.W * s.C;
    T* d_kernel = dk + n * s.h * s.w * s.C;
    for (int64_t c = 0; c < s.C; c += kLanes) {
      const int64_t lanes = std::min(kLanes, s.C - c);
      for (int64_t y = 0; y < s.H; y++) {
        const int64_t i_begin = std::max<int64_t>(0, y - s.oh + 1), i_end = std::min(s.h, y + 1);
        for (int64_t xx = 0; xx < s.W; xx++) {
          const int64_t j_begin = std::max<int64_t>(0, xx - s.ow + 1), j_end = std::min(s.w, xx + 1);
          float acc[kLanes] = {};
          for (int64_t i = i_begin; i < i_end; i++) {
            for (int64_t j = j_begin; j < j_end; j++) {
              const T* weight = kernel + (i * s.w + j) * s.C + c;
              const T* from = g + ((y - i) * s.ow + xx - j) * s.C + c;
              if (lanes == kLanes) {
                for (int64_t l = 0; l < kLanes; l++) acc[l] += to_float(weight[l]) * to_float(from[l]);
              } else {
                for (int64_t l = 0; l < lanes; l++) acc[l] += to_float(weight[l]) * to_float(from[l]);
              }
            }
          }
          T* to = d_image + (y * s.W + xx) * s.C + c;
          for (int64_t l = 0; l < lanes; l++) to[l] = from_float<T>(acc[l]);
        }
      }
      for (int64_t i = 0; i < s.h; i++) {
        for (int64_t j = 0; j < s.w; j++) {
          float acc[kLanes] = {};
          for (int64_t oy = 0; oy < s.oh; oy++) {
            for (int64_t ox = 0; ox < s.ow; ox++) {
              const T* in = image + ((oy + i) * s.W + ox + j) * s.C + c;
              const T* from = g + (oy * s.ow + ox) * s.C + c;
              if (lanes == kLanes) {
                for (int64_t l = 0; l < kLanes; l++) acc[l] += to_float(in[l]) * to_float(from[l]);
              } else {
                for (int64_t l = 0; l < lanes; l++) acc[l] += to_float(in[l]) * to_float(from[l]);
              }
            }
          }
          T* to = d_kernel + (i * s.w + j) * s.C + c;
          for (int64_t l = 0; l < lanes; l++) to[l] = from_float<T>(acc[l]);
        }
      }
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
