#include "winograd.h"

#if defined(__x86_64__) && defined(__GNUC__)
#ifndef __clang__
// GCC's own header of these instructions sets off both where it asks for vectors of any content.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <cstring>

#define SIAM_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni"), always_inline)) inline
// Float products must not need VNNI: processors with AVX-512 alone run them, too.
#define SIAM_AVX512_FLOAT __attribute__((target("avx512f,avx512bw,avx512vl")))
#define SIAM_AVX512_WORDS __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

namespace siam::kernels {

namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kSide = 6;
// Rows of a product kept in registers, two sums each. GCC spills sums of words above 8.
constexpr int64_t kMostRows = 12, kMostWordRows = 8;

#define SIAM_FLOAT_INLINE __attribute__((target("avx512f,avx512bw,avx512vl"), always_inline)) inline

SIAM_FLOAT_INLINE __m512 constant(float value) { return _mm512_set1_ps(value); }

/// The six values of Bᵀ d for points 0, 1, −1, 2, −2, ∞.
SIAM_FLOAT_INLINE void image_points(const __m512* d, int64_t stride, __m512* to, int64_t to_stride) {
  const __m512 d0 = d[0], d1 = d[stride], d2 = d[2 * stride], d3 = d[3 * stride], d4 = d[4 * stride], d5 = d[5 * stride];
  const __m512 four = constant(4), five = constant(5), two = constant(2);
  const __m512 even = _mm512_fnmadd_ps(four, d2, d4), odd = _mm512_fnmadd_ps(four, d1, d3);
  const __m512 even2 = _mm512_sub_ps(d4, d2), odd2 = _mm512_mul_ps(two, _mm512_sub_ps(d3, d1));
  to[0] = _mm512_fmadd_ps(four, d0, _mm512_fnmadd_ps(five, d2, d4));
  to[to_stride] = _mm512_add_ps(even, odd);
  to[2 * to_stride] = _mm512_sub_ps(even, odd);
  to[3 * to_stride] = _mm512_add_ps(even2, odd2);
  to[4 * to_stride] = _mm512_sub_ps(even2, odd2);
  to[5 * to_stride] = _mm512_fmadd_ps(four, d1, _mm512_fnmadd_ps(five, d3, d5));
}

/// The M values of Aᵀ m.
template <int M>
SIAM_FLOAT_INLINE void output_points(const __m512* m, int64_t stride, __m512* to, int64_t to_stride) {
  const __m512 m0 = m[0], m1 = m[stride], m2 = m[2 * stride], m3 = m[3 * stride], m4 = m[4 * stride], m5 = m[5 * stride];
  const __m512 sum1 = _mm512_add_ps(m1, m2), sum2 = _mm512_add_ps(m3, m4), difference1 = _mm512_sub_ps(m1, m2), difference2 = _mm512_sub_ps(m3, m4);
  to[0] = _mm512_add_ps(m0, _mm512_add_ps(sum1, sum2));
  const __m512 second = _mm512_fmadd_ps(constant(2), difference2, difference1);
  if (M == 2) {
    to[to_stride] = _mm512_add_ps(second, m5);
  } else {
    to[to_stride] = second;
    to[2 * to_stride] = _mm512_fmadd_ps(constant(4), sum2, sum1);
    to[3 * to_stride] = _mm512_add_ps(_mm512_fmadd_ps(constant(8), difference2, difference1), m5);
  }
}

struct Place {
  int64_t n, y, x;  ///< image, first output row and column
};

SIAM_FLOAT_INLINE Place place_of(const WinogradShape& s, int64_t tile) {
  const int64_t columns = s.tiles_x(), each = columns * s.tiles_y();
  return {tile / each, tile % each / columns * s.step(), tile % columns * s.step()};
}

/// Transforms one tile; value p of channel c goes to `to[p * stride + c]`.
SIAM_FLOAT_INLINE void transform_tile(const float* x, const WinogradShape& s, int64_t tile, float* to, int64_t stride) {
  const Place place = place_of(s, tile);
  const float* pixels[kWinogradPoints];
  for (int64_t i = 0; i < kSide; i++) {
    for (int64_t j = 0; j < kSide; j++) {
      const int64_t y = place.y - s.pad + i, xx = place.x - s.pad + j;
      const bool inside = y >= 0 && y < s.H && xx >= 0 && xx < s.W;
      pixels[i * kSide + j] = inside ? x + ((place.n * s.H + y) * s.W + xx) * s.C : nullptr;
    }
  }
  for (int64_t c = 0; c < s.C; c += kLanes) {
    __m512 d[kWinogradPoints], half[kWinogradPoints];
    for (int64_t p = 0; p < kWinogradPoints; p++) d[p] = pixels[p] != nullptr ? _mm512_loadu_ps(pixels[p] + c) : _mm512_setzero_ps();
    for (int64_t j = 0; j < kSide; j++) image_points(d + j, kSide, half + j, kSide);
    for (int64_t i = 0; i < kSide; i++) image_points(half + i * kSide, 1, d + i * kSide, 1);
    for (int64_t p = 0; p < kWinogradPoints; p++) _mm512_storeu_ps(to + p * stride + c, d[p]);
  }
}

/// One channel row as words. @returns the unit
SIAM_AVX512 float to_words(const float* from, int64_t count, int16_t* to) {
  __m512 most = _mm512_setzero_ps();
  for (int64_t c = 0; c < count; c += kLanes) most = _mm512_max_ps(most, _mm512_abs_ps(_mm512_loadu_ps(from + c)));
  const float largest = _mm512_reduce_max_ps(most);
  const float word = winograd_word(count);
  const __m512 factor = constant(largest > 0 ? word / largest : 0.0f);
  for (int64_t c = 0; c < count; c += kLanes) {
    const __m512i rounded = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(from + c), factor));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + c), _mm512_cvtepi32_epi16(rounded));
  }
  return largest / word;
}

/// Rows of `a`, three to a pointer: with one pointer each they would not fit the registers, with one for all no addressing mode reaches.
template <class T, int R>
struct RowPointers {
  const char* bases[(R + 2) / 3];
  int64_t stride;

  SIAM_FLOAT_INLINE RowPointers(const T* a, int64_t C) : stride(C * static_cast<int64_t>(sizeof(T))) {
#pragma GCC unroll 16
    for (int i = 0; i < (R + 2) / 3; i++) bases[i] = reinterpret_cast<const char*>(a + 3 * i * C);
  }
  SIAM_FLOAT_INLINE int32_t bits(int row) const {
    int32_t value;
    std::memcpy(&value, bases[row / 3] + row % 3 * stride, sizeof value);
    return value;
  }
  /// Four bytes on in each row.
  SIAM_FLOAT_INLINE void advance() {
#pragma GCC unroll 16
    for (int i = 0; i < (R + 2) / 3; i++) bases[i] += sizeof(int32_t);
  }
};

/// out [R,32] = a [R,C] · b [C,32]
template <int R>
SIAM_AVX512_FLOAT void product(const float* a, int64_t C, const float* b, float* out) {
  __m512 sums[R][2];
#pragma GCC unroll 16
  for (int i = 0; i < R; i++) sums[i][0] = sums[i][1] = _mm512_setzero_ps();
  RowPointers<float, R> rows(a, C);
  const float* const last = b + C * kWinogradBlock;
  for (; b != last; b += kWinogradBlock, rows.advance()) {
    const __m512 low = _mm512_loadu_ps(b), high = _mm512_loadu_ps(b + kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
      const __m512 value = _mm512_castsi512_ps(_mm512_set1_epi32(rows.bits(i)));
      sums[i][0] = _mm512_fmadd_ps(value, low, sums[i][0]);
      sums[i][1] = _mm512_fmadd_ps(value, high, sums[i][1]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < R; i++) {
    _mm512_storeu_ps(out + i * kWinogradBlock, sums[i][0]);
    _mm512_storeu_ps(out + i * kWinogradBlock + kLanes, sums[i][1]);
  }
}

/// The same of words, with their units.
template <int R>
SIAM_AVX512_WORDS void product(const int16_t* a, const float* a_units, int64_t C, const int16_t* b, const float* b_units, float* out) {
  __m512i sums[R][2];
#pragma GCC unroll 16
  for (int i = 0; i < R; i++) sums[i][0] = sums[i][1] = _mm512_setzero_si512();
  RowPointers<int16_t, R> rows(a, C);
  const int16_t* const last = b + C * kWinogradBlock;
  for (; b != last; b += 2 * kWinogradBlock, rows.advance()) {
    const __m512i low = _mm512_loadu_si512(b), high = _mm512_loadu_si512(b + 2 * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
      const __m512i value = _mm512_set1_epi32(rows.bits(i));
      sums[i][0] = _mm512_dpwssd_epi32(sums[i][0], value, low);
      sums[i][1] = _mm512_dpwssd_epi32(sums[i][1], value, high);
    }
  }
  const __m512 low = _mm512_loadu_ps(b_units), high = _mm512_loadu_ps(b_units + kLanes);
#pragma GCC unroll 16
  for (int i = 0; i < R; i++) {
    const __m512 unit = _mm512_set1_ps(a_units[i]);
    _mm512_storeu_ps(out + i * kWinogradBlock, _mm512_mul_ps(_mm512_cvtepi32_ps(sums[i][0]), _mm512_mul_ps(unit, low)));
    _mm512_storeu_ps(out + i * kWinogradBlock + kLanes, _mm512_mul_ps(_mm512_cvtepi32_ps(sums[i][1]), _mm512_mul_ps(unit, high)));
  }
}

/// Calls run<rows>() with the rows as a constant.
template <int R, class Run>
inline void with_rows(int64_t rows, Run run) {
  if constexpr (R > 1) {
    if (rows < R) return with_rows<R - 1>(rows, run);
  }
  run.template operator()<R>();
}

struct FloatProduct {
  const float *a, *b;
  float* out;
  int64_t C;
  template <int R>
  void operator()() const {
    product<R>(a, C, b, out);
  }
};

struct WordProduct {
  const int16_t *a, *b;
  const float *a_units, *b_units;
  float* out;
  int64_t C;
  template <int R>
  void operator()() const {
    product<R>(a, a_units, C, b, b_units, out);
  }
};

/// [begin, end) of blocks of nearly one size.
template <class Each>
inline void row_blocks(int64_t count, int64_t most, Each each) {
  const int64_t blocks = (count + most - 1) / most;
  for (int64_t i = 0; i < blocks; i++) each(count * i / blocks, count * (i + 1) / blocks);
}

/// From the products of a block to its outputs.
template <int M>
SIAM_AVX512_FLOAT void finish(const float* products, const WinogradShape& s, const WinogradChunk& chunk, int64_t block, const WinogradEnd& end, float* out) {
  for (int64_t t = 0; t < chunk.count; t++) {
    const Place place = place_of(s, chunk.first + t);
    for (int64_t lane = 0; lane < kWinogradBlock; lane += kLanes) {
      __m512 m[kWinogradPoints], half[M * kSide], y[M * M];
      for (int64_t p = 0; p < kWinogradPoints; p++) m[p] = _mm512_loadu_ps(products + (p * chunk.count + t) * kWinogradBlock + lane);
      for (int64_t j = 0; j < kSide; j++) output_points<M>(m + j, kSide, half + j, kSide);
      for (int64_t i = 0; i < M; i++) output_points<M>(half + i * kSide, 1, y + i * M, 1);
      const int64_t o = block * kWinogradBlock + lane;
      const __m512 bias = _mm512_loadu_ps(end.bias + o);
      for (int64_t i = 0; i < M && place.y + i < s.OH; i++) {
        for (int64_t j = 0; j < M && place.x + j < s.OW; j++) {
          __m512 value = _mm512_add_ps(y[i * M + j], bias);
          if (end.relu) value = _mm512_max_ps(_mm512_setzero_ps(), value);  // in this order a NaN stays one
          _mm512_storeu_ps(out + ((place.n * s.OH + place.y + i) * s.OW + place.x + j) * s.O + o, value);
        }
      }
    }
  }
}

void finish_any(const float* products, const WinogradShape& s, const WinogradChunk& chunk, int64_t block, const WinogradEnd& end, float* out) {
  if (s.step() == 2) return finish<2>(products, s, chunk, block, end, out);
  finish<4>(products, s, chunk, block, end, out);
}

}  // namespace

SIAM_AVX512_FLOAT void winograd_input(const float* x, const WinogradShape& s, const WinogradChunk& chunk, int64_t begin, int64_t end, float* v) {
  for (int64_t t = begin; t < end; t++) transform_tile(x, s, chunk.first + t, v + t * s.C, chunk.count * s.C);
}

SIAM_AVX512_WORDS void winograd_input(const float* x, const WinogradShape& s, const WinogradChunk& chunk, int64_t begin, int64_t end, int16_t* v, float* scales, float* scratch) {
  for (int64_t t = begin; t < end; t++) {
    transform_tile(x, s, chunk.first + t, scratch, s.C);
    for (int64_t p = 0; p < kWinogradPoints; p++) scales[p * chunk.count + t] = to_words(scratch + p * s.C, s.C, v + (p * chunk.count + t) * s.C);
  }
}

void winograd_output(const float* v, const float* packed, const WinogradShape& s, const WinogradChunk& chunk, int64_t block, const WinogradEnd& end, float* scratch, float* out) {
  for (int64_t p = 0; p < kWinogradPoints; p++) {
    const float* b = packed + (block * kWinogradPoints + p) * s.C * kWinogradBlock;
    row_blocks(chunk.count, kMostRows, [&](int64_t from, int64_t to) {
      const int64_t at = p * chunk.count + from;
      with_rows<kMostRows>(to - from, FloatProduct{v + at * s.C, b, scratch + at * kWinogradBlock, s.C});
    });
  }
  finish_any(scratch, s, chunk, block, end, out);
}

void winograd_output(const int16_t* v, const float* v_scales, const int16_t* packed, const float* scales, const WinogradShape& s, const WinogradChunk& chunk, int64_t block,
                     const WinogradEnd& end, float* scratch, float* out) {
  for (int64_t p = 0; p < kWinogradPoints; p++) {
    const int64_t part = block * kWinogradPoints + p;
    row_blocks(chunk.count, kMostWordRows, [&](int64_t from, int64_t to) {
      const int64_t at = p * chunk.count + from;
      with_rows<kMostWordRows>(to - from, WordProduct{v + at * s.C, packed + part * s.C * kWinogradBlock, v_scales + at, scales + part * kWinogradBlock, scratch + at * kWinogradBlock, s.C});
    });
  }
  finish_any(scratch, s, chunk, block, end, out);
}

}  // namespace siam::kernels

#else

#include <cstdlib>

// Never called: winograd_available() is false.
namespace siam::kernels {
void winograd_input(const float*, const WinogradShape&, const WinogradChunk&, int64_t, int64_t, float*) { std::abort(); }
void winograd_input(const float*, const WinogradShape&, const WinogradChunk&, int64_t, int64_t, int16_t*, float*, float*) { std::abort(); }
void winograd_output(const float*, const float*, const WinogradShape&, const WinogradChunk&, int64_t, const WinogradEnd&, float*, float*) { std::abort(); }
void winograd_output(const int16_t*, const float*, const int16_t*, const float*, const WinogradShape&, const WinogradChunk&, int64_t, const WinogradEnd&, float*, float*) { std::abort(); }
}  // namespace siam::kernels

#endif
