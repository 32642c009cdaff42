// The pixel loops for AVX2. Without FMA: a fused multiply-add would round differently from the portable loops.
#include "warp_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace siam::data {

#if defined(__x86_64__)
namespace {

#define SIAM_AVX2 __attribute__((target("avx2")))

SIAM_AVX2 inline __m128i TwoPixels(const uint8_t* row, int32_t left) {
  return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(row + 3 * static_cast<ptrdiff_t>(left)));
}

/// Columns i to i + 3: their left pixels to B×4 G×4 R×4, the right ones the same way.
SIAM_AVX2 inline void FourColumns(const uint8_t* row, const int32_t* left, __m128i& p, __m128i& q) {
  // Two columns are B B G G R R of the left pixels, then those of the right ones.
  const __m128i taps = _mm_setr_epi8(0, 8, 1, 9, 2, 10, -1, -1, 3, 11, 4, 12, 5, 13, -1, -1);
  const __m128i first = _mm_shuffle_epi8(_mm_unpacklo_epi64(TwoPixels(row, left[0]), TwoPixels(row, left[1])), taps);
  const __m128i second = _mm_shuffle_epi8(_mm_unpacklo_epi64(TwoPixels(row, left[2]), TwoPixels(row, left[3])), taps);
  p = _mm_unpacklo_epi16(first, second);
  q = _mm_unpackhi_epi16(first, second);
}

SIAM_AVX2 inline void Between(__m128i p, __m128i q, __m256 w, float* out) {
  const __m256 a = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(p)), b = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(q));
  _mm256_storeu_ps(out, _mm256_add_ps(a, _mm256_mul_ps(w, _mm256_sub_ps(b, a))));
}

SIAM_AVX2 void SampleRow(const uint8_t* row, const ColumnTaps& taps, FloatRow out) {
  if (taps.end - taps.begin < 8) return SampleColumnsPortable(row, taps, taps.begin, taps.end, out);
  for (int next = taps.begin; next < taps.end; next += 8) {
    // The last eight are some of those before once more: they come out the same.
    const int i = next + 8 <= taps.end ? next : taps.end - 8;
    __m128i p[2], q[2];
    for (int k = 0; k < 2; ++k) FourColumns(row, taps.left.data() + i + 4 * k, p[k], q[k]);
    const __m256 w = _mm256_loadu_ps(taps.weight.data() + i);
    const __m128i p_bg = _mm_unpacklo_epi32(p[0], p[1]), q_bg = _mm_unpacklo_epi32(q[0], q[1]);
    float* to = out.values + i;
    Between(p_bg, q_bg, w, to);
    Between(_mm_srli_si128(p_bg, 8), _mm_srli_si128(q_bg, 8), w, to + out.plane);
    Between(_mm_unpackhi_epi32(p[0], p[1]), _mm_unpackhi_epi32(q[0], q[1]), w, to + 2 * out.plane);
  }
}

SIAM_AVX2 inline __m256i Blend(const float* a, const float* b, __m256 w) {
  const __m256 p = _mm256_loadu_ps(a);
  return _mm256_cvtps_epi32(_mm256_add_ps(p, _mm256_mul_ps(w, _mm256_sub_ps(_mm256_loadu_ps(b), p))));
}

SIAM_AVX2 void BlendRow(FloatRow a, FloatRow b, float weight, int count, uint8_t* plane_b, uint8_t* plane_g, uint8_t* plane_r) {
  if (count < 32) return BlendPlanarPortable(a, b, weight, count, plane_b, plane_g, plane_r);
  const __m256 w = _mm256_set1_ps(weight);
  const __m256i join = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  uint8_t* planes[3] = {plane_b, plane_g, plane_r};
  for (int c = 0; c < 3; ++c) {
    const float *p = a.values + c * a.plane, *q = b.values + c * b.plane;
    for (int next = 0; next < count; next += 32) {
      const int i = next + 32 <= count ? next : count - 32;
      const __m256i low = _mm256_packs_epi32(Blend(p + i, q + i, w), Blend(p + i + 8, q + i + 8, w));
      const __m256i high = _mm256_packs_epi32(Blend(p + i + 16, q + i + 16, w), Blend(p + i + 24, q + i + 24, w));
      // The packs work within 128-bit lanes, so that fours of columns come out in another order.
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(planes[c] + i), _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), join));
    }
  }
}

SIAM_AVX2 void AddChannels(const uint8_t* bgr, size_t pixels, uint64_t* sums) {
  // 32 pixels are 96 bytes. In each of the three vectors the channels lie at fixed places, so masking and vpsadbw add them up.
  alignas(32) uint8_t masks[3][3][32];
  for (int v = 0; v < 3; ++v) {
    for (int c = 0; c < 3; ++c) {
      for (int k = 0; k < 32; ++k) masks[v][c][k] = (v * 32 + k) % 3 == c ? 0xFF : 0;
    }
  }
  const __m256i zero = _mm256_setzero_si256();
  __m256i total[3] = {zero, zero, zero};
  size_t i = 0;
  for (; i + 32 <= pixels; i += 32) {
    for (int v = 0; v < 3; ++v) {
      const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bgr + 3 * i + 32 * v));
      for (int c = 0; c < 3; ++c) {
        const __m256i mask = _mm256_load_si256(reinterpret_cast<const __m256i*>(masks[v][c]));
        total[c] = _mm256_add_epi64(total[c], _mm256_sad_epu8(_mm256_and_si256(bytes, mask), zero));
      }
    }
  }
  for (int c = 0; c < 3; ++c) {
    alignas(32) uint64_t lanes[4];
    _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), total[c]);
    sums[c] += lanes[0] + lanes[1] + lanes[2] + lanes[3];
  }
  AddChannelsPortable(bgr + 3 * i, pixels - i, sums);
}

constexpr PixelKernelTable kTable{"avx2", nullptr, SampleRow, BlendRow, AddChannels};

}  // namespace

const PixelKernelTable* Avx2PixelKernels() {
  static const bool has = __builtin_cpu_supports("avx2");
  return has ? &kTable : nullptr;
}

#else

const PixelKernelTable* Avx2PixelKernels() { return nullptr; }

#endif

}  // namespace siam::data
