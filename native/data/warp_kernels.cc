#include "warp_kernels.h"

#include <algorithm>
#include <cmath>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace siam::data {
namespace {

// ---- portable ----

void SampleRowPortable(const uint8_t* row, const int32_t* left, const float* weight4, int begin, int end, float* out) {
  for (int i = begin; i < end; ++i) {
    const uint8_t* p = row + 3 * static_cast<ptrdiff_t>(left[i]);
    const float w = weight4[4 * i];
    for (int c = 0; c < 3; ++c) {
      const float a = p[c], b = p[c + 3];
      out[4 * i + c] = a + w * (b - a);
    }
    out[4 * i + 3] = 0;
  }
}

inline uint8_t Blend(float a, float b, float w) { return static_cast<uint8_t>(std::nearbyint(a + w * (b - a))); }

void BlendPlanarPortable(const float* a, const float* b, float w, int count, uint8_t* plane_b, uint8_t* plane_g, uint8_t* plane_r) {
  for (int i = 0; i < count; ++i) {
    plane_b[i] = Blend(a[4 * i], b[4 * i], w);
    plane_g[i] = Blend(a[4 * i + 1], b[4 * i + 1], w);
    plane_r[i] = Blend(a[4 * i + 2], b[4 * i + 2], w);
  }
}

void BlendInterleavedPortable(const float* a, const float* b, float w, int count, uint8_t* out) {
  for (int i = 0; i < count; ++i) {
    for (int c = 0; c < 3; ++c) out[3 * i + c] = Blend(a[4 * i + c], b[4 * i + c], w);
  }
}

void AddChannelsPortable(const uint8_t* bgr, size_t pixels, uint64_t* sums) {
  uint64_t b = 0, g = 0, r = 0;
  for (size_t i = 0; i < pixels; ++i) {
    b += bgr[3 * i];
    g += bgr[3 * i + 1];
    r += bgr[3 * i + 2];
  }
  sums[0] += b;
  sums[1] += g;
  sums[2] += r;
}

constexpr PixelKernelTable kPortable{"baseline", SampleRowPortable, BlendPlanarPortable, BlendInterleavedPortable, AddChannelsPortable};

// ---- AVX2 (and not FMA: a fused multiply-add would round differently from the portable loops) ----
#if defined(__x86_64__)

__attribute__((target("avx2"))) void SampleRowAvx2(const uint8_t* row, const int32_t* left, const float* weight4, int begin, int end,
                                                   float* out) {
  // Two columns at a time: their left pixels go to the low half, their right pixels to the high half.
  const __m128i taps = _mm_setr_epi8(0, 1, 2, -1, 8, 9, 10, -1, 3, 4, 5, -1, 11, 12, 13, -1);
  int i = begin;
  for (; i + 2 <= end; i += 2) {
    const __m128i first = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(row + 3 * static_cast<ptrdiff_t>(left[i])));
    const __m128i second = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(row + 3 * static_cast<ptrdiff_t>(left[i + 1])));
    const __m128i bytes = _mm_shuffle_epi8(_mm_unpacklo_epi64(first, second), taps);
    const __m256 a = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
    const __m256 b = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_unpackhi_epi64(bytes, bytes)));
    const __m256 w = _mm256_loadu_ps(weight4 + 4 * i);
    _mm256_storeu_ps(out + 4 * i, _mm256_add_ps(a, _mm256_mul_ps(w, _mm256_sub_ps(b, a))));
  }
  if (i < end) SampleRowPortable(row, left, weight4, i, end, out);
}

/// Eight columns: 32 bytes B G R 0 each, in order of columns.
__attribute__((target("avx2"), always_inline)) inline __m256i BlendEight(const float* a, const float* b, __m256 w) {
  __m256i part[4];
  for (int k = 0; k < 4; ++k) {
    const __m256 pa = _mm256_loadu_ps(a + 8 * k), pb = _mm256_loadu_ps(b + 8 * k);
    part[k] = _mm256_cvtps_epi32(_mm256_add_ps(pa, _mm256_mul_ps(w, _mm256_sub_ps(pb, pa))));
  }
  const __m256i packed = _mm256_packus_epi16(_mm256_packs_epi32(part[0], part[1]), _mm256_packs_epi32(part[2], part[3]));
  // The packs work within 128-bit lanes: columns come out as 0 2 4 6 | 1 3 5 7.
  return _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

__attribute__((target("avx2"))) void BlendPlanarAvx2(const float* a, const float* b, float weight, int count, uint8_t* plane_b,
                                                     uint8_t* plane_g, uint8_t* plane_r) {
  const __m256 w = _mm256_set1_ps(weight);
  const __m256i by_channel = _mm256_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10,
                                              14, 3, 7, 11, 15);
  const __m256i join = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  int i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256i pixels = BlendEight(a + 4 * i, b + 4 * i, w);
    const __m256i planes = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(pixels, by_channel), join);
    const __m128i low = _mm256_castsi256_si128(planes);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(plane_b + i), low);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(plane_g + i), _mm_unpackhi_epi64(low, low));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(plane_r + i), _mm256_extracti128_si256(planes, 1));
  }
  if (i < count) BlendPlanarPortable(a + 4 * i, b + 4 * i, weight, count - i, plane_b + i, plane_g + i, plane_r + i);
}

__attribute__((target("avx2"))) void BlendInterleavedAvx2(const float* a, const float* b, float weight, int count, uint8_t* out) {
  const __m256 w = _mm256_set1_ps(weight);
  const __m256i squeeze = _mm256_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1, 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14,
                                           -1, -1, -1, -1);
  int i = 0;
  // Each store of 16 bytes writes four beyond its twelve; the condition keeps them inside of the row.
  for (; i + 10 <= count; i += 8) {
    const __m256i pixels = _mm256_shuffle_epi8(BlendEight(a + 4 * i, b + 4 * i, w), squeeze);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 3 * i), _mm256_castsi256_si128(pixels));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 3 * i + 12), _mm256_extracti128_si256(pixels, 1));
  }
  if (i < count) BlendInterleavedPortable(a + 4 * i, b + 4 * i, weight, count - i, out + 3 * i);
}

__attribute__((target("avx2"))) void AddChannelsAvx2(const uint8_t* bgr, size_t pixels, uint64_t* sums) {
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

constexpr PixelKernelTable kAvx2{"avx2", SampleRowAvx2, BlendPlanarAvx2, BlendInterleavedAvx2, AddChannelsAvx2};

#endif

}  // namespace

const PixelKernelTable& PortablePixelKernels() { return kPortable; }

const PixelKernelTable& PixelKernelsOfThisCpu() {
#if defined(__x86_64__)
  static const bool avx2 = __builtin_cpu_supports("avx2");
  if (avx2) return kAvx2;
#endif
  return kPortable;
}

}  // namespace siam::data
