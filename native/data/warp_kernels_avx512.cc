// The pixel loops for AVX-512 with VBMI, whose byte permutations fetch the taps of 16 columns at once.
#include "warp_kernels.h"

#if defined(__x86_64__)
// GCC 12's own header leaves what a mask of all ones overwrites undefined, and warns of it wherever it is inlined.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#endif

namespace siam::data {

#if defined(__x86_64__)
namespace {

#define SIAM_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi")))

constexpr int kBlock = 16;

/// Bytes of the row from a block's first left tap to the end of its last right tap.
int SpanOf(const ColumnTaps& taps, int i, int last) { return 3 * (taps.left[last] - taps.left[i]) + 6; }

int LastOf(const ColumnTaps& taps, int i) { return (i + kBlock < taps.end ? i + kBlock : taps.end) - 1; }

/// For each block where its columns' left pixels lie, from its first one on: B×16 G×16 R×16. The fourth part is not used.
void Plan(ColumnTaps& taps) {
  const int blocks = (taps.end - taps.begin + kBlock - 1) / kBlock;
  taps.order.assign(static_cast<size_t>(blocks) * 64, 0);
  for (int block = 0; block < blocks; ++block) {
    const int i = taps.begin + block * kBlock, last = LastOf(taps, i);
    // A crop that much coarser than its picture is sampled a few columns at a time.
    if (SpanOf(taps, i, last) > 128) {
      taps.order.clear();
      return;
    }
    uint8_t* order = taps.order.data() + 64 * static_cast<size_t>(block);
    for (int k = 0; i + k <= last; ++k) {
      for (int c = 0; c < 3; ++c) order[16 * c + k] = static_cast<uint8_t>(3 * (taps.left[i + k] - taps.left[i]) + c);
    }
  }
}

template <int kPart>
SIAM_AVX512 inline void Between(__m512i p, __m512i q, __m512 w, float* out) {
  const __m512 a = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(p, kPart)));
  const __m512 b = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(q, kPart)));
  _mm512_storeu_ps(out, _mm512_add_ps(a, _mm512_mul_ps(w, _mm512_sub_ps(b, a))));
}

SIAM_AVX512 void SampleRow(const uint8_t* row, const ColumnTaps& taps, FloatRow out) {
  if (taps.order.empty()) return Avx2PixelKernels()->sample_row(row, taps, out);
  const uint8_t* order = taps.order.data();
  for (int i = taps.begin; i < taps.end; i += kBlock, order += 64) {
    const int last = LastOf(taps, i), span = SpanOf(taps, i, last);
    const uint8_t* from = row + 3 * static_cast<ptrdiff_t>(taps.left[i]);
    const __m512i left = _mm512_loadu_si512(order), right = _mm512_add_epi8(left, _mm512_set1_epi8(3));
    // Masked: nothing is read beyond the last tap.
    __m512i p, q;
    if (span <= 64) {
      const __m512i bytes = _mm512_maskz_loadu_epi8(~uint64_t{0} >> (64 - span), from);
      p = _mm512_permutexvar_epi8(left, bytes);
      q = _mm512_permutexvar_epi8(right, bytes);
    } else {
      const __m512i low = _mm512_loadu_si512(from), high = _mm512_maskz_loadu_epi8(~uint64_t{0} >> (128 - span), from + 64);
      p = _mm512_permutex2var_epi8(low, left, high);
      q = _mm512_permutex2var_epi8(low, right, high);
    }
    const __m512 w = _mm512_loadu_ps(taps.weight.data() + i);
    Between<0>(p, q, w, out.values + i);
    Between<1>(p, q, w, out.values + out.plane + i);
    Between<2>(p, q, w, out.values + 2 * out.plane + i);
  }
}

/// Sixteen columns; the rows have room for kColumnSlack more than they have columns.
SIAM_AVX512 inline __m512i Blend(const float* a, const float* b, __m512 w) {
  const __m512 p = _mm512_loadu_ps(a);
  return _mm512_cvtps_epi32(_mm512_add_ps(p, _mm512_mul_ps(w, _mm512_sub_ps(_mm512_loadu_ps(b), p))));
}

SIAM_AVX512 void BlendRow(FloatRow a, FloatRow b, float weight, int count, uint8_t* plane_b, uint8_t* plane_g, uint8_t* plane_r) {
  const __m512 w = _mm512_set1_ps(weight);
  const __m512i join = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  uint8_t* planes[3] = {plane_b, plane_g, plane_r};
  for (int c = 0; c < 3; ++c) {
    const float *p = a.values + c * a.plane, *q = b.values + c * b.plane;
    int i = 0;
    for (; i + 4 * kBlock <= count; i += 4 * kBlock) {
      const __m512i low = _mm512_packs_epi32(Blend(p + i, q + i, w), Blend(p + i + kBlock, q + i + kBlock, w));
      const __m512i high = _mm512_packs_epi32(Blend(p + i + 2 * kBlock, q + i + 2 * kBlock, w), Blend(p + i + 3 * kBlock, q + i + 3 * kBlock, w));
      // The packs work within 128-bit lanes, so that fours of columns come out in another order.
      _mm512_storeu_si512(planes[c] + i, _mm512_permutexvar_epi32(join, _mm512_packus_epi16(low, high)));
    }
    for (; i < count; i += kBlock) {
      const __mmask16 some = static_cast<__mmask16>(count - i >= kBlock ? 0xFFFF : (1 << (count - i)) - 1);
      _mm_mask_storeu_epi8(planes[c] + i, some, _mm512_cvtepi32_epi8(Blend(p + i, q + i, w)));
    }
  }
}

}  // namespace

const PixelKernelTable* Avx512PixelKernels() {
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                          __builtin_cpu_supports("avx512vbmi") && Avx2PixelKernels() != nullptr;
  static const PixelKernelTable table{"avx512", Plan, SampleRow, BlendRow, has ? Avx2PixelKernels()->add_channels : nullptr};
  return has ? &table : nullptr;
}

#else

const PixelKernelTable* Avx512PixelKernels() { return nullptr; }

#endif

}  // namespace siam::data
