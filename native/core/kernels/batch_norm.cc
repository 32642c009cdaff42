#include "batch_norm.h"

#include <algorithm>

namespace siam::kernels {

namespace {

// Values summed in float32 before they go into the float64 sum: few enough that the rounding stays below 1e-8 of the total.
constexpr int64_t kLanes = 16;
constexpr int64_t kRun = 128;

template <class T>
SIAM_INLINE void sums_planar(const T* x, int64_t N, int64_t C, int64_t P, int64_t c_begin, int64_t c_end, double* sum, double* square_sum) {
  for (int64_t c = c_begin; c < c_end; c++) {
    double total = 0, total_square = 0;
    for (int64_t n = 0; n < N; n++) {
      const T* plane = x + (n * C + c) * P;
      double lanes[kLanes] = {}, square_lanes[kLanes] = {};
      int64_t p = 0;
      for (; p + kLanes <= P; p += kLanes) {
        for (int64_t l = 0; l < kLanes; l++) {
          const double value = to_float(plane[p + l]);
          lanes[l] += value;
          square_lanes[l] += value * value;
        }
      }
      for (; p < P; p++) {
        const double value = to_float(plane[p]);
        lanes[0] += value;
        square_lanes[0] += value * value;
      }
      for (int64_t l = 0; l < kLanes; l++) {
        total += lanes[l];
        total_square += square_lanes[l];
      }
    }
    sum[c] = total;
    square_sum[c] = total_square;
  }
}

template <class T>
SIAM_INLINE void sums_rows(const T* x, int64_t C, int64_t row_begin, int64_t row_end, double* sum, double* square_sum) {
  constexpr int64_t kStep = 8;  // rows summed in float32 before they join the float64 sums
  std::fill(sum, sum + C, 0.0);
  std::fill(square_sum, square_sum + C, 0.0);
  for (int64_t r = row_begin; r < row_end; r += kStep) {
    const int64_t rows = std::min(kStep, row_end - r);
    const T* base = x + r * C;
    int64_t c = 0;
    for (; c + kLanes <= C; c += kLanes) {
      float part[kLanes] = {}, square[kLanes] = {};
      for (int64_t i = 0; i < rows; i++) {
        for (int64_t l = 0; l < kLanes; l++) {
          const float value = to_float(base[i * C + c + l]);
          part[l] += value;
          square[l] += value * value;
        }
      }
      for (int64_t l = 0; l < kLanes; l++) {
        sum[c + l] += part[l];
        square_sum[c + l] += square[l];
      }
    }
    for (; c < C; c++) {
      for (int64_t i = 0; i < rows; i++) {
        const double value = to_float(base[i * C + c]);
        sum[c] += value;
        square_sum[c] += value * value;
      }
    }
  }
}

template <class T>
SIAM_INLINE void apply_planar(const T* x, T* y, int64_t N, int64_t C, int64_t P, int64_t c_begin, int64_t c_end, const float* scale, const float* shift, bool relu) {
  for (int64_t c = c_begin; c < c_end; c++) {
    const float a = scale[c], b = shift[c];
    const float floor = relu ? 0.0f : -__builtin_inff();
    for (int64_t n = 0; n < N; n++) {
      const T* in = x + (n * C + c) * P;
      T* out = y + (n * C + c) * P;
      for (int64_t p = 0; p < P; p++) {
        const float value = to_float(in[p]) * a + b;
        out[p] = from_float<T>(value < floor ? floor : value);  // written so that NaN passes through
      }
    }
  }
}

template <class T>
SIAM_INLINE void apply_rows(const T* x, T* y, int64_t C, int64_t row_begin, int64_t row_end, const float* scale, const float* shift, bool relu) {
  const float floor = relu ? 0.0f : -__builtin_inff();
  for (int64_t r = row_begin; r < row_end; r++) {
    const T* in = x + r * C;
    T* out = y + r * C;
    for (int64_t c = 0; c < C; c++) {
      const float value = to_float(in[c]) * scale[c] + shift[c];
      out[c] = from_float<T>(value < floor ? floor : value);
    }
  }
}

template <class T>
SIAM_INLINE void grad_sums_planar(const T* dy, const T* x, int64_t N, int64_t C, int64_t P, int64_t c_begin, int64_t c_end, const BnGradInputs& in, double* sum_g, double* sum_gx) {
  for (int64_t c = c_begin; c < c_end; c++) {
    const float a = in.scale[c], b = in.shift[c], mean = in.mean[c];
    const float floor = in.relu ? 0.0f : -__builtin_inff();
    double total = 0, total_x = 0;
    for (int64_t n = 0; n < N; n++) {
      const T* g_plane = dy + (n * C + c) * P;
      const T* x_plane = x + (n * C + c) * P;
      for (int64_t start = 0; start < P; start += kRun * kLanes) {
        const int64_t stop = std::min(P, start + kRun * kLanes);
        float lanes[kLanes] = {}, lanes_x[kLanes] = {};
        int64_t p = start;
        for (; p + kLanes <= stop; p += kLanes) {
          for (int64_t l = 0; l < kLanes; l++) {
            const float value = to_float(x_plane[p + l]);
            const float upstream = to_float(g_plane[p + l]);  // loaded in any case, else the loop does not vectorise
            const float g = value * a + b > floor ? upstream : 0.0f;
            lanes[l] += g;
            lanes_x[l] += g * (value - mean);
          }
        }
        for (; p < stop; p++) {
          const float value = to_float(x_plane[p]);
          const float upstream = to_float(g_plane[p]);
          const float g = value * a + b > floor ? upstream : 0.0f;
          lanes[0] += g;
          lanes_x[0] += g * (value - mean);
        }
        for (int64_t l = 0; l < kLanes; l++) {
          total += lanes[l];
          total_x += lanes_x[l];
        }
      }
    }
    sum_g[c] = total;
    sum_gx[c] = total_x;
  }
}

template <class T>
SIAM_INLINE void grad_sums_rows(const T* dy, const T* x, int64_t C, int64_t row_begin, int64_t row_end, const BnGradInputs& in, double* sum_g, double* sum_gx) {
  constexpr int64_t kStep = 16;
  const float floor = in.relu ? 0.0f : -__builtin_inff();
  std::fill(sum_g, sum_g + C, 0.0);
  std::fill(sum_gx, sum_gx + C, 0.0);
  for (int64_t r = row_begin; r < row_end; r += kStep) {
    const int64_t rows = std::min(kStep, row_end - r);
    const T* g_base = dy + r * C;
    const T* x_base = x + r * C;
    int64_t c = 0;
    for (; c + kLanes <= C; c += kLanes) {
      float part[kLanes] = {}, part_x[kLanes] = {};
      for (int64_t i = 0; i < rows; i++) {
        for (int64_t l = 0; l < kLanes; l++) {
          const float value = to_float(x_base[i * C + c + l]);
          const float upstream = to_float(g_base[i * C + c + l]);
          const float g = value * in.scale[c + l] + in.shift[c + l] > floor ? upstream : 0.0f;
          part[l] += g;
          part_x[l] += g * (value - in.mean[c + l]);
        }
      }
      for (int64_t l = 0; l < kLanes; l++) {
        sum_g[c + l] += part[l];
        sum_gx[c + l] += part_x[l];
      }
    }
    for (; c < C; c++) {
      for (int64_t i = 0; i < rows; i++) {
        const float value = to_float(x_base[i * C + c]);
        const float upstream = to_float(g_base[i * C + c]);
        const float g = value * in.scale[c] + in.shift[c] > floor ? upstream : 0.0f;
        sum_g[c] += g;
        sum_gx[c] += static_cast<double>(g) * (value - in.mean[c]);
      }
    }
  }
}

template <class T>
SIAM_INLINE void grad_apply_planar(const T* dy, const T* x, T* dx, int64_t N, int64_t C, int64_t P, int64_t c_begin, int64_t c_end, const BnGradInputs& in, const BnGradCoefficients& k) {
  const float floor = in.relu ? 0.0f : -__builtin_inff();
  for (int64_t c = c_begin; c < c_end; c++) {
    const float scale = in.scale[c], shift = in.shift[c], a = k.a[c], b = k.b[c], c0 = k.c0[c];
    for (int64_t n = 0; n < N; n++) {
      const T* g_plane = dy + (n * C + c) * P;
      const T* x_plane = x + (n * C + c) * P;
      T* out = dx + (n * C + c) * P;
      for (int64_t p = 0; p < P; p++) {
        const float value = to_float(x_plane[p]);
        const float upstream = to_float(g_plane[p]);
        const float g = value * scale + shift > floor ? upstream : 0.0f;
        out[p] = from_float<T>(a * g + (b * value + c0));
      }
    }
  }
}

template <class T>
SIAM_INLINE void grad_apply_rows(const T* dy, const T* x, T* dx, int64_t C, int64_t row_begin, int64_t row_end, const BnGradInputs& in, const BnGradCoefficients& k) {
  const float floor = in.relu ? 0.0f : -__builtin_inff();
  for (int64_t r = row_begin; r < row_end; r++) {
    const T* g_row = dy + r * C;
    const T* x_row = x + r * C;
    T* out = dx + r * C;
    for (int64_t c = 0; c < C; c++) {
      const float value = to_float(x_row[c]);
      const float upstream = to_float(g_row[c]);
      const float g = value * in.scale[c] + in.shift[c] > floor ? upstream : 0.0f;
      out[c] = from_float<T>(k.a[c] * g + (k.b[c] * value + k.c0[c]));
    }
  }
}

}  // namespace

// Each entry point exists for float32 and bfloat16; clones cannot be templates, hence the list.
#define SIAM_BN_ENTRY_POINTS(T)                                                                                                                     \
  SIAM_CLONES void bn_sums_planar(const T* x, int64_t N, int64_t C, int64_t P, int64_t c_begin, int64_t c_end, double* sum, double* square_sum) {   \
    sums_planar<T>(x, N, C, P, c_begin, c_end, sum, square_sum);                                                                                    \
  }                                                                                                                                                 \
  SIAM_CLONES void bn_sums_rows(const T* x, int64_t C, int64_t row_begin, int64_t row_end, double* sum, double* square_sum) {                       \
    sums_rows<T>(x, C, row_begin, row_end, sum, square_sum);                                                                                        \
  }                                                                                                                                                 \
  SIAM_CLONES void bn_apply_planar(const T* x, T* y, int64_t N, int64_t C, int64_t P, int64_t c_begin, int64_t c_end, const float* scale,           \
                                   const float* shift, bool relu) {                                                                                 \
    apply_planar<T>(x, y, N, C, P, c_begin, c_end, scale, shift, relu);                                                                             \
  }                                                                                                                                                 \
  SIAM_CLONES void bn_apply_rows(const T* x, T* y, int64_t C, int64_t row_begin, int64_t row_end, const float* scale, const float* shift,           \
                                 bool relu) {                                                                                                       \
    apply_rows<T>(x, y, C, row_begin, row_end, scale, shift, relu);                                                                                 \
  }                                                                                                                                                 \
  SIAM_CLONES void bn_grad_sums_planar(const T* dy, const T* x, int64_t N, int64_t C, int64_t P, int64_t c_begin, int64_t c_end,                    \
                                       const BnGradInputs& in, double* sum_g, double* sum_gx) {                                                     \
    grad_sums_planar<T>(dy, x, N, C, P, c_begin, c_end, in, sum_g, sum_gx);                                                                         \
  }                                                                                                                                                 \
  SIAM_CLONES void bn_grad_sums_rows(const T* dy, const T* x, int64_t C, int64_t row_begin, int64_t row_end, const BnGradInputs& in, double* sum_g, \
                                     double* sum_gx) {                                                                                              \
    grad_sums_rows<T>(dy, x, C, row_begin, row_end, in, sum_g, sum_gx);                                                                             \
  }                                                                                                                                                 \
  SIAM_CLONES void bn_grad_apply_planar(const T* dy, const T* x, T* dx, int64_t N, int64_t C, int64_t P, int64_t c_begin, int64_t c_end,            \
                                        const BnGradInputs& in, const BnGradCoefficients& k) {                                                      \
    grad_apply_planar<T>(dy, x, dx, N, C, P, c_begin, c_end, in, k);                                                                                \
  }                                                                                                                                                 \
  SIAM_CLONES void bn_grad_apply_rows(const T* dy, const T* x, T* dx, int64_t C, int64_t row_begin, int64_t row_end, const BnGradInputs& in,        \
                                      const BnGradCoefficients& k) {                                                                                \
    grad_apply_rows<T>(dy, x, dx, C, row_begin, row_end, in, k);                                                                                    \
  }

SIAM_BN_ENTRY_POINTS(float)
SIAM_BN_ENTRY_POINTS(Bf16)

}  // namespace siam::kernels
