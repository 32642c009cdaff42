#include "kernels_avx2.h"

#if defined(__x86_64__)

namespace siam::data::jpeg {
namespace {

// The transform of kernels_portable.cc on pairs of words: vpmaddwd multiplies two inputs by two constants and adds. A vector holds a pair
// of inputs for eight columns (then rows) in 32-bit lanes. CoefficientPlace puts them so in memory.

/// The constants, each in all lanes of a vector.
struct Constants {
  enum Name { kSign, kSum, kDifference, kTurn0, kTurn1, kMix3, kMix4, kOdd0, kOdd1, kOdd2, kOdd3,            // of eight points
              kTurnOf2, kTurnOf2Less, kOdd0Of13, kOdd1Of13, kOdd2Of13, kOdd3Of13,                            // where 4 to 7 are zero
              kRound1, kRound2, kCentre, kSaneOffset, kSaneBits, kSwap, kByRow, kColumns, kCount };

  alignas(32) int32_t lanes[kCount][8];

  constexpr Constants() : lanes() {
    constexpr int words[][2] = {{1, -1},         {8192, 0},      {0, 8192},      {10703, 4433}, {4433, -10704}, {9633, -6436},
                                {6437, 9633},    {4926, -7373},  {-20995, 4177}, {-4176, -20995}, {-7373, -4927}, {0, 10703},
                                {0, 4433},       {11363, 9633},  {9633, -2259},  {6437, -11362}, {2260, -6436},  {1 << 10, 0},
                                {0, 2},          {0x8080, 0x8080}, {8192, 8192}, {0xC000, 0xC000}};
    for (int i = 0; i < kSwap; ++i) {
      for (int32_t& lane : lanes[i]) lane = static_cast<int32_t>(static_cast<uint32_t>(words[i][1]) << 16 | (static_cast<uint32_t>(words[i][0]) & 0xFFFF));
    }
    constexpr int columns[8] = {0, 2, 4, 7, 0, 2, 4, 7};
    for (int i = 0; i < 8; ++i) {
      const int at = i % 4;
      lanes[kSwap][i] = 0x01000302 + at * 0x04040404;
      lanes[kByRow][i] = 0x0C080400 + at * 0x01010101;
      lanes[kColumns][i] = columns[i];
    }
  }

  SIAM_AVX2 __m256i operator[](Name name) const { return _mm256_load_si256(reinterpret_cast<const __m256i*>(lanes[name])); }
};

constexpr Constants kConstants;

/// The constants by an address that the compiler knows nothing of: it would make each of them anew, in several steps, instead of loading it.
SIAM_AVX2 const Constants& Hidden() {
  const Constants* constants = &kConstants;
  __asm__("" : "+r"(constants));
  return *constants;
}

/// An eight-point transform in every lane. @param in04..in53  pairs of inputs     @param out [8]
template <int kShift>
SIAM_AVX2 void Transform(const Constants& k, __m256i in04, __m256i in26, __m256i in17, __m256i in53, __m256i* out) {
  const __m256i round = k[kShift == 11 ? Constants::kRound1 : Constants::kRound2];
  // Sum and difference of 0 and 4, in words that wrap.
  const __m256i both = _mm256_add_epi16(_mm256_shuffle_epi8(in04, k[Constants::kSwap]), _mm256_sign_epi16(in04, k[Constants::kSign]));
  const __m256i sum = _mm256_add_epi32(_mm256_madd_epi16(both, k[Constants::kSum]), round);
  const __m256i difference = _mm256_add_epi32(_mm256_madd_epi16(both, k[Constants::kDifference]), round);
  const __m256i turn0 = _mm256_madd_epi16(in26, k[Constants::kTurn0]), turn1 = _mm256_madd_epi16(in26, k[Constants::kTurn1]);
  const __m256i even[4] = {_mm256_add_epi32(sum, turn0), _mm256_add_epi32(difference, turn1), _mm256_sub_epi32(difference, turn1),
                           _mm256_sub_epi32(sum, turn0)};
  const __m256i z43 = _mm256_add_epi16(in17, in53);
  const __m256i mix3 = _mm256_madd_epi16(z43, k[Constants::kMix3]), mix4 = _mm256_madd_epi16(z43, k[Constants::kMix4]);
  const __m256i odd[4] = {_mm256_add_epi32(_mm256_madd_epi16(in17, k[Constants::kOdd0]), mix4),
                          _mm256_add_epi32(_mm256_madd_epi16(in53, k[Constants::kOdd1]), mix3),
                          _mm256_add_epi32(_mm256_madd_epi16(in53, k[Constants::kOdd2]), mix4),
                          _mm256_add_epi32(_mm256_madd_epi16(in17, k[Constants::kOdd3]), mix3)};
  for (int i = 0; i < 4; ++i) {
    out[i] = _mm256_srai_epi32(_mm256_add_epi32(even[i], odd[i]), kShift);
    out[7 - i] = _mm256_srai_epi32(_mm256_sub_epi32(even[i], odd[i]), kShift);
  }
}

SIAM_AVX2 __m256i Dequantise(const int16_t* coefficients, const uint16_t* quant, int vector) {
  return _mm256_mullo_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(coefficients) + vector),
                            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(quant) + vector));
}

/// Not std::fill or memset, of which compilers make a string instruction that takes as long as the transform.
SIAM_AVX2 void Clear(int16_t* coefficients) {
  for (int i = 0; i < 4; ++i) _mm256_storeu_si256(reinterpret_cast<__m256i*>(coefficients) + i, _mm256_setzero_si256());
}

/// Whether all words of the first row are such that libjpeg's short cut for rows of zeros (see the portable transform) equals the
/// transform: 14 bits. No sane file has others, so they may go the slow way.
SIAM_AVX2 bool FirstRowIsSane(const Constants& k, __m256i in04) {
  return _mm256_testz_si256(_mm256_add_epi16(in04, k[Constants::kSaneOffset]), k[Constants::kSaneBits]) != 0;
}

SIAM_AVX2 __m256i Shuffle(__m256i a, __m256i b, bool odd) {
  const __m256 fa = _mm256_castsi256_ps(a), fb = _mm256_castsi256_ps(b);
  return _mm256_castps_si256(odd ? _mm256_shuffle_ps(fa, fb, 0xDD) : _mm256_shuffle_ps(fa, fb, 0x88));
}

SIAM_AVX2 void StoreTwoRows(__m128i rows, uint8_t* first, uint8_t* second) {
  _mm_storel_epi64(reinterpret_cast<__m128i*>(first), rows);
  _mm_storeh_pi(reinterpret_cast<__m64*>(second), _mm_castsi128_ps(rows));
}

/// @param columns [8] of 32-bit samples about 0, of the rows r0 to r3 in the lower half and r4 to r7 in the upper
template <int r0, int r1, int r2, int r3, int r4, int r5, int r6, int r7>
SIAM_AVX2 void StoreColumns(const Constants& k, const __m256i* columns, uint8_t* out, ptrdiff_t stride) {
  __m256i half[2];
  for (int h = 0; h < 2; ++h) {
    const __m256i* c = columns + 4 * h;
    const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(c[0], c[1]), _mm256_packs_epi32(c[2], c[3]));
    half[h] = _mm256_xor_si256(_mm256_shuffle_epi8(bytes, k[Constants::kByRow]), k[Constants::kCentre]);
  }
  const __m256i low = _mm256_unpacklo_epi32(half[0], half[1]), high = _mm256_unpackhi_epi32(half[0], half[1]);
  StoreTwoRows(_mm256_castsi256_si128(low), out + r0 * stride, out + r1 * stride);
  StoreTwoRows(_mm256_castsi256_si128(high), out + r2 * stride, out + r3 * stride);
  StoreTwoRows(_mm256_extracti128_si256(low, 1), out + r4 * stride, out + r5 * stride);
  StoreTwoRows(_mm256_extracti128_si256(high, 1), out + r6 * stride, out + r7 * stride);
}

}  // namespace

__attribute__((target("avx2"))) void IdctAvx2(int16_t* coefficients, const uint16_t* quant, uint8_t* out, ptrdiff_t stride) {
  const Constants& k = Hidden();
  const __m256i in04 = Dequantise(coefficients, quant, 0);
  if (__builtin_expect(!FirstRowIsSane(k, in04), 0)) return PortableKernels().idct(coefficients, quant, out, stride);
  __m256i v[8];
  Transform<11>(k, in04, Dequantise(coefficients, quant, 1), Dequantise(coefficients, quant, 2), Dequantise(coefficients, quant, 3), v);
  Clear(coefficients);
  // Rows in words: columns 0 4 2 6 of one row and of the next in the lower half, 1 7 5 3 in the upper.
  const __m256i rows01 = _mm256_packs_epi32(v[0], v[1]), rows23 = _mm256_packs_epi32(v[2], v[3]), rows45 = _mm256_packs_epi32(v[4], v[5]),
                rows67 = _mm256_packs_epi32(v[6], v[7]);
  const __m256i first04_17 = Shuffle(rows01, rows23, false), first26_53 = Shuffle(rows01, rows23, true);
  const __m256i last04_17 = Shuffle(rows45, rows67, false), last26_53 = Shuffle(rows45, rows67, true);
  Transform<18>(k, _mm256_permute2x128_si256(first04_17, last04_17, 0x20), _mm256_permute2x128_si256(first26_53, last26_53, 0x20),
                _mm256_permute2x128_si256(first04_17, last04_17, 0x31), _mm256_permute2x128_si256(first26_53, last26_53, 0x31), v);
  StoreColumns<0, 1, 2, 3, 4, 5, 6, 7>(k, v, out, stride);
}

__attribute__((target("avx2"))) void Idct4x4Avx2(int16_t* coefficients, const uint16_t* quant, uint8_t* out, ptrdiff_t stride) {
  const Constants& k = Hidden();
  const __m256i in0 = Dequantise(coefficients, quant, 0);
  if (__builtin_expect(!FirstRowIsSane(k, in0), 0)) return PortableKernels().idct(coefficients, quant, out, stride);
  // Pairs 0 2 and 1 3 of rows for the columns 0 2 1 3, in both halves.
  const __m256i in02 = _mm256_permutevar8x32_epi32(_mm256_or_si256(in0, _mm256_slli_epi32(Dequantise(coefficients, quant, 1), 16)), k[Constants::kColumns]);
  const __m256i in13 = _mm256_permutevar8x32_epi32(_mm256_or_si256(Dequantise(coefficients, quant, 2), Dequantise(coefficients, quant, 3)), k[Constants::kColumns]);
  Clear(coefficients);
  // Down the columns: the lower half gives rows 0 and 7, 2 and 5, the upper 1 and 6, 3 and 4.
  const __m256i e01 = _mm256_setr_epi16(8192, 10703, 8192, 10703, 8192, 10703, 8192, 10703, 8192, 4433, 8192, 4433, 8192, 4433, 8192, 4433);
  const __m256i e32 = _mm256_setr_epi16(8192, -4433, 8192, -4433, 8192, -4433, 8192, -4433, 8192, -10703, 8192, -10703, 8192, -10703, 8192, -10703);
  const __m256i o01 = _mm256_setr_epi16(11363, 9633, 11363, 9633, 11363, 9633, 11363, 9633, 9633, -2259, 9633, -2259, 9633, -2259, 9633, -2259);
  const __m256i o23 = _mm256_setr_epi16(6437, -11362, 6437, -11362, 6437, -11362, 6437, -11362, 2260, -6436, 2260, -6436, 2260, -6436, 2260, -6436);
  const __m256i round1 = k[Constants::kRound1];
  const __m256i even01 = _mm256_add_epi32(_mm256_madd_epi16(in02, e01), round1), even23 = _mm256_add_epi32(_mm256_madd_epi16(in02, e32), round1);
  const __m256i odd01 = _mm256_madd_epi16(in13, o01), odd23 = _mm256_madd_epi16(in13, o23);
  const __m256i rows0213 = _mm256_packs_epi32(_mm256_srai_epi32(_mm256_add_epi32(even01, odd01), 11), _mm256_srai_epi32(_mm256_add_epi32(even23, odd23), 11));
  const __m256i rows7564 = _mm256_packs_epi32(_mm256_srai_epi32(_mm256_sub_epi32(even01, odd01), 11), _mm256_srai_epi32(_mm256_sub_epi32(even23, odd23), 11));
  // Along the rows 0 2 7 5 and 1 3 6 4.
  const __m256i x02 = Shuffle(rows0213, rows7564, false), x13 = Shuffle(rows0213, rows7564, true);
  const __m256i base = _mm256_add_epi32(_mm256_madd_epi16(x02, k[Constants::kSum]), k[Constants::kRound2]);
  const __m256i turn0 = _mm256_madd_epi16(x02, k[Constants::kTurnOf2]), turn1 = _mm256_madd_epi16(x02, k[Constants::kTurnOf2Less]);
  const __m256i even[4] = {_mm256_add_epi32(base, turn0), _mm256_add_epi32(base, turn1), _mm256_sub_epi32(base, turn1), _mm256_sub_epi32(base, turn0)};
  const __m256i odd[4] = {_mm256_madd_epi16(x13, k[Constants::kOdd0Of13]), _mm256_madd_epi16(x13, k[Constants::kOdd1Of13]),
                          _mm256_madd_epi16(x13, k[Constants::kOdd2Of13]), _mm256_madd_epi16(x13, k[Constants::kOdd3Of13])};
  __m256i v[8];
  for (int i = 0; i < 4; ++i) {
    v[i] = _mm256_srai_epi32(_mm256_add_epi32(even[i], odd[i]), 18);
    v[7 - i] = _mm256_srai_epi32(_mm256_sub_epi32(even[i], odd[i]), 18);
  }
  StoreColumns<0, 2, 7, 5, 1, 3, 6, 4>(k, v, out, stride);
}

}  // namespace siam::data::jpeg

#endif
