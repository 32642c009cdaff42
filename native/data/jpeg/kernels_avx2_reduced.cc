#include <cstring>

#include "kernels_avx2.h"
#include "kernels_reduced.h"

#if defined(__x86_64__)

namespace siam::data::jpeg {
namespace {

// The transforms of kernels_reduced.cc on pairs of words, as CoefficientPlace puts them: vpmaddwd multiplies by two factors and adds. After
// the columns a row's words are those of the columns 0 4 2 6 and 1 7 5 3, each in a half of their own: the even and the odd frequencies.

SIAM_AVX2 __m256i Pair(int first, int second) { return _mm256_set1_epi32(static_cast<int32_t>(static_cast<uint32_t>(second) << 16 | (static_cast<uint32_t>(first) & 0xFFFF))); }

/// Factors of the words of two rows.
SIAM_AVX2 __m256i Along(short of0, short of2, short of6, short of1, short of7, short of5, short of3) {
  return _mm256_setr_epi16(of0, 0, of2, of6, of0, 0, of2, of6, of1, of7, of5, of3, of1, of7, of5, of3);
}

SIAM_AVX2 __m256i Dequantise(const int16_t* coefficients, const uint16_t* quant, int vector) {
  return _mm256_mullo_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(coefficients) + vector),
                            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(quant) + vector));
}

SIAM_AVX2 void Clear(int16_t* coefficients) {
  for (int i = 0; i < 4; ++i) _mm256_storeu_si256(reinterpret_cast<__m256i*>(coefficients) + i, _mm256_setzero_si256());
}

SIAM_AVX2 __m256i Sum(__m256i a, int of_a0, int of_a1, __m256i b, int of_b0, int of_b1) {
  return _mm256_add_epi32(_mm256_madd_epi16(a, Pair(of_a0, of_a1)), _mm256_madd_epi16(b, Pair(of_b0, of_b1)));
}

/// To samples that lie about 0, of 32 bits.
SIAM_AVX2 __m128i Rounded(__m128i x) { return _mm_srai_epi32(_mm_add_epi32(x, _mm_set1_epi32(1 << 17)), 18); }

SIAM_AVX2 void StoreFour(uint8_t* out, int word) { std::memcpy(out, &word, 4); }

}  // namespace

__attribute__((target("avx2"))) void IdctTo4x4Avx2(int16_t* coefficients, const uint16_t* quant, uint8_t* out, ptrdiff_t stride) {
  const __m256i in04 = Dequantise(coefficients, quant, 0), in26 = Dequantise(coefficients, quant, 1), in17 = Dequantise(coefficients, quant, 2),
                in53 = Dequantise(coefficients, quant, 3);
  Clear(coefficients);
  const __m256i base = _mm256_add_epi32(_mm256_madd_epi16(in04, Pair(1 << 13, 0)), _mm256_set1_epi32(1 << 10));
  const __m256i turn = _mm256_madd_epi16(in26, Pair(kHalfEven2, kHalfEven6));
  const __m256i even0 = _mm256_add_epi32(base, turn), even1 = _mm256_sub_epi32(base, turn);
  const __m256i odd0 = Sum(in17, kHalf0Of1, kHalf0Of7, in53, kHalf0Of5, kHalf0Of3), odd1 = Sum(in17, kHalf1Of1, kHalf1Of7, in53, kHalf1Of5, kHalf1Of3);
  const __m256i rows01 = _mm256_packs_epi32(_mm256_srai_epi32(_mm256_add_epi32(even0, odd0), 11), _mm256_srai_epi32(_mm256_add_epi32(even1, odd1), 11));
  const __m256i rows23 = _mm256_packs_epi32(_mm256_srai_epi32(_mm256_sub_epi32(even1, odd1), 11), _mm256_srai_epi32(_mm256_sub_epi32(even0, odd0), 11));
  // Even parts of the four rows in the lower half, odd parts in the upper.
  const __m256i factors0 = Along(1 << 13, kHalfEven2, kHalfEven6, kHalf0Of1, kHalf0Of7, kHalf0Of5, kHalf0Of3);
  const __m256i factors1 = Along(1 << 13, -kHalfEven2, -kHalfEven6, kHalf1Of1, kHalf1Of7, kHalf1Of5, kHalf1Of3);
  const __m256i at0 = _mm256_hadd_epi32(_mm256_madd_epi16(rows01, factors0), _mm256_madd_epi16(rows23, factors0));
  const __m256i at1 = _mm256_hadd_epi32(_mm256_madd_epi16(rows01, factors1), _mm256_madd_epi16(rows23, factors1));
  const __m128i e0 = _mm256_castsi256_si128(at0), o0 = _mm256_extracti128_si256(at0, 1), e1 = _mm256_castsi256_si128(at1), o1 = _mm256_extracti128_si256(at1, 1);
  const __m128i left = _mm_packs_epi32(Rounded(_mm_add_epi32(e0, o0)), Rounded(_mm_add_epi32(e1, o1)));
  const __m128i right = _mm_packs_epi32(Rounded(_mm_sub_epi32(e1, o1)), Rounded(_mm_sub_epi32(e0, o0)));
  const __m128i by_row = _mm_shuffle_epi8(_mm_packs_epi16(left, right), _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  const __m128i samples = _mm_xor_si128(by_row, _mm_set1_epi8(-128));
  StoreFour(out, _mm_cvtsi128_si32(samples));
  StoreFour(out + stride, _mm_extract_epi32(samples, 1));
  StoreFour(out + 2 * stride, _mm_extract_epi32(samples, 2));
  StoreFour(out + 3 * stride, _mm_extract_epi32(samples, 3));
}

__attribute__((target("avx2"))) void IdctTo2x2Avx2(int16_t* coefficients, const uint16_t* quant, uint8_t* out, ptrdiff_t stride) {
  const __m256i in04 = Dequantise(coefficients, quant, 0), in17 = Dequantise(coefficients, quant, 2), in53 = Dequantise(coefficients, quant, 3);
  Clear(coefficients);
  const __m256i base = _mm256_add_epi32(_mm256_madd_epi16(in04, Pair(1 << 13, 0)), _mm256_set1_epi32(1 << 10));
  const __m256i odd = Sum(in17, kQuarter1, kQuarter7, in53, kQuarter5, kQuarter3);
  const __m256i rows = _mm256_packs_epi32(_mm256_srai_epi32(_mm256_add_epi32(base, odd), 11), _mm256_srai_epi32(_mm256_sub_epi32(base, odd), 11));
  const __m256i parts = _mm256_madd_epi16(rows, Along(1 << 13, 0, 0, kQuarter1, kQuarter7, kQuarter5, kQuarter3));
  const __m256i sums = _mm256_hadd_epi32(parts, parts);
  const __m128i even = _mm256_castsi256_si128(sums), odds = _mm256_extracti128_si256(sums, 1);
  const __m128i both = _mm_unpacklo_epi32(Rounded(_mm_add_epi32(even, odds)), Rounded(_mm_sub_epi32(even, odds)));
  const __m128i words = _mm_packs_epi32(both, both);
  const int samples = _mm_cvtsi128_si32(_mm_packs_epi16(words, words)) ^ static_cast<int>(0x80808080u);
  std::memcpy(out, &samples, 2);
  const int lower = static_cast<int>(static_cast<unsigned>(samples) >> 16);
  std::memcpy(out + stride, &lower, 2);
}

}  // namespace siam::data::jpeg

#endif
