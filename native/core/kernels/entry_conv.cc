#include "entry_conv.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "winograd.h"

#if defined(__x86_64__) && defined(__GNUC__)
#ifndef __clang__
// GCC's own header of these instructions sets off both where it asks for vectors of any content.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#endif

namespace siam::kernels {

bool entry_available() { return winograd_available(/*words=*/true); }

void entry_pack(const float* w, int64_t O, int64_t r, int16_t* packed, float* scales) {
  constexpr float kWord = 16383;
  const EntryShape s{1, 0, 0, 0, 0, O, r, 1};
  std::fill(packed, packed + O * r * s.pairs() * 2, static_cast<int16_t>(0));
  for (int64_t o = 0; o < O; o++) {
    const float* kernel = w + o * 3 * r * r;
    float most = 0;
    for (int64_t i = 0; i < 3 * r * r; i++) most = std::max(most, std::abs(kernel[i]));
    scales[o] = most / kWord;
    for (int64_t y = 0; y < r; y++) {
      int16_t* row = packed + (o / kEntryBlock * r + y) * s.pairs() * kEntryBlock * 2;
      for (int64_t x = 0; x < r; x++) {
        for (int64_t c = 0; c < 3; c++) {
          const int64_t place = 3 * x + c;
          const float value = most > 0 ? std::nearbyint(kernel[(c * r + y) * r + x] * (kWord / most)) : 0.0f;
          row[(place / 2 * kEntryBlock + o % kEntryBlock) * 2 + place % 2] = static_cast<int16_t>(value);
        }
      }
    }
  }
}

void entry_words(const float* image, int16_t* words, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i++) words[i] = static_cast<int16_t>(image[i]);
}

#if defined(__x86_64__) && defined(__GNUC__)

#define SIAM_AVX512_WORDS __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

namespace {

constexpr int64_t kLanes = 16;
constexpr int kPixels = 8;  // neighbouring outputs at a time, two sums each

/// `B` neighbouring outputs of one block of channels.
template <int B>
SIAM_AVX512_WORDS void pixels(const int16_t* image, const int16_t* packed, const float* scales, const float* bias, bool relu, const EntryShape& s, float* out) {
  __m512i sums[B][2];
#pragma GCC unroll 8
  for (int i = 0; i < B; i++) sums[i][0] = sums[i][1] = _mm512_setzero_si512();
  const int64_t step = 3 * s.stride;
  for (int64_t y = 0; y < s.r; y++) {
    const int16_t* row = image + y * s.W * 3;
    for (int64_t pair = 0; pair < s.pairs(); pair++, packed += 2 * kEntryBlock, row += 2) {
      const __m512i low = _mm512_loadu_si512(packed), high = _mm512_loadu_si512(packed + 2 * kLanes);
#pragma GCC unroll 8
      for (int i = 0; i < B; i++) {
        int32_t two;
        std::memcpy(&two, row + i * step, sizeof two);
        const __m512i value = _mm512_set1_epi32(two);
        sums[i][0] = _mm512_dpwssd_epi32(sums[i][0], value, low);
        sums[i][1] = _mm512_dpwssd_epi32(sums[i][1], value, high);
      }
    }
  }
  for (int half = 0; half < 2; half++) {
    const __m512 unit = _mm512_loadu_ps(scales + half * kLanes), offset = _mm512_loadu_ps(bias + half * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < B; i++) {
      __m512 value = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[i][half]), unit, offset);
      if (relu) value = _mm512_max_ps(_mm512_setzero_ps(), value);
      _mm512_storeu_ps(out + i * s.O + half * kLanes, value);
    }
  }
}

}  // namespace

void entry_rows(const int16_t* image, const int16_t* packed, const float* scales, const float* bias, bool relu, const EntryShape& s, int64_t begin, int64_t end, float* out) {
  for (int64_t row = begin; row < end; row++) {
    const int16_t* from = image + (row / s.OH * s.H + row % s.OH * s.stride) * s.W * 3;
    for (int64_t block = 0; block < s.O / kEntryBlock; block++) {
      const int64_t o = block * kEntryBlock;
      const int16_t* weights = packed + block * s.r * s.pairs() * kEntryBlock * 2;
      float* to = out + row * s.OW * s.O + o;
      int64_t x = 0;
      for (; x + kPixels <= s.OW; x += kPixels) pixels<kPixels>(from + x * s.stride * 3, weights, scales + o, bias + o, relu, s, to + x * s.O);
      if (x == s.OW) continue;
      if (s.OW >= kPixels) {  // the last ones again: a block costs what two single outputs do
        x = s.OW - kPixels;
        pixels<kPixels>(from + x * s.stride * 3, weights, scales + o, bias + o, relu, s, to + x * s.O);
      } else {
        for (; x < s.OW; x++) pixels<1>(from + x * s.stride * 3, weights, scales + o, bias + o, relu, s, to + x * s.O);
      }
    }
  }
}

#else

// Never called: entry_available() is false.
void entry_rows(const int16_t*, const int16_t*, const float*, const float*, bool, const EntryShape&, int64_t, int64_t, float*) { std::abort(); }

#endif

}  // namespace siam::kernels
