#include "kernels_avx2.h"

#include <algorithm>
#include <cstring>

#include "kernels_tables.h"

#if defined(__x86_64__)

namespace siam::data::jpeg {
namespace {

// ---- upsampling ----

// Words of 16 pixels in the lower half and of 16 pixels in the upper half of a vector, columns of even and of odd number apart. The second
// half lies 32 pixels behind the first: byte vectors of 32 chroma samples unpack to that.
struct Words {
  __m256i even, odd;
};

SIAM_AVX2 __m256i Load(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }

SIAM_AVX2 __m256i LoadHalves(const uint8_t* p) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
                                 _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 32)), 1);
}

/// Two weights for unsigned bytes in every lane.
SIAM_AVX2 __m256i Weights(int first, int second) { return _mm256_set1_epi16(static_cast<int16_t>(second << 8 | first)); }

SIAM_AVX2 __m256i FilterRow(__m256i pairs, __m256i weights, __m256i round) {
  return _mm256_srai_epi16(_mm256_add_epi16(_mm256_maddubs_epi16(pairs, weights), round), 2);
}

/// 32 chroma samples to 64 pixels, in `low` for samples 0-7 and 16-23, in `high` for 8-15 and 24-31. All minus `centre`.
template <int centre>
SIAM_AVX2 void UpsampleH2v1(const uint8_t* in, Words& low, Words& high) {
  const __m256i left = Load(in - 1), here = Load(in), right = Load(in + 1);
  const __m256i even_round = _mm256_set1_epi16(1 - 4 * centre), odd_round = _mm256_set1_epi16(2 - 4 * centre);
  const __m256i even_weights = Weights(1, 3), odd_weights = Weights(3, 1);
  low.even = FilterRow(_mm256_unpacklo_epi8(left, here), even_weights, even_round);
  low.odd = FilterRow(_mm256_unpacklo_epi8(here, right), odd_weights, odd_round);
  high.even = FilterRow(_mm256_unpackhi_epi8(left, here), even_weights, even_round);
  high.odd = FilterRow(_mm256_unpackhi_epi8(here, right), odd_weights, odd_round);
}

SIAM_AVX2 __m256i FilterRows(__m256i n_pairs, __m256i n_weights, __m256i f_pairs, __m256i f_weights, __m256i round) {
  const __m256i sum = _mm256_add_epi16(_mm256_maddubs_epi16(n_pairs, n_weights), _mm256_maddubs_epi16(f_pairs, f_weights));
  return _mm256_srai_epi16(_mm256_add_epi16(sum, round), 4);
}

/// The same from two rows. Both directions at once: the weights 3 1 by 3 1 are 9 3 3 1.
template <int centre>
SIAM_AVX2 void UpsampleH2v2(const uint8_t* near, const uint8_t* far, Words& low, Words& high) {
  const __m256i n_left = Load(near - 1), n = Load(near), n_right = Load(near + 1), f_left = Load(far - 1), f = Load(far), f_right = Load(far + 1);
  const __m256i even_round = _mm256_set1_epi16(8 - 16 * centre), odd_round = _mm256_set1_epi16(7 - 16 * centre);
  const __m256i n_even = Weights(3, 9), n_odd = Weights(9, 3), f_even = Weights(1, 3), f_odd = Weights(3, 1);
  low.even = FilterRows(_mm256_unpacklo_epi8(n_left, n), n_even, _mm256_unpacklo_epi8(f_left, f), f_even, even_round);
  low.odd = FilterRows(_mm256_unpacklo_epi8(n, n_right), n_odd, _mm256_unpacklo_epi8(f, f_right), f_odd, odd_round);
  high.even = FilterRows(_mm256_unpackhi_epi8(n_left, n), n_even, _mm256_unpackhi_epi8(f_left, f), f_even, even_round);
  high.odd = FilterRows(_mm256_unpackhi_epi8(n, n_right), n_odd, _mm256_unpackhi_epi8(f, f_right), f_odd, odd_round);
}

SIAM_AVX2 void StoreHalves(__m256i v, uint8_t* first, uint8_t* second) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(first), _mm256_castsi256_si128(v));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(second), _mm256_extracti128_si256(v, 1));
}

SIAM_AVX2 void StorePlane(const Words& low, const Words& high, uint8_t* out) {
  StoreHalves(_mm256_or_si256(low.even, _mm256_slli_epi16(low.odd, 8)), out, out + 32);
  StoreHalves(_mm256_or_si256(high.even, _mm256_slli_epi16(high.odd, 8)), out + 16, out + 48);
}

__attribute__((target("avx2"))) void UpsampleH2v1Row(const uint8_t* in, int count, uint8_t* out) {
  for (int i = 0; i < count; i += 32) {
    Words low, high;
    UpsampleH2v1<0>(in + i, low, high);
    StorePlane(low, high, out + 2 * i);
  }
}

__attribute__((target("avx2"))) void UpsampleH2v2Row(const uint8_t* near, const uint8_t* far, int count, uint8_t* out) {
  for (int i = 0; i < count; i += 32) {
    Words low, high;
    UpsampleH2v2<0>(near + i, far + i, low, high);
    StorePlane(low, high, out + 2 * i);
  }
}

__attribute__((target("avx2"))) void UpsampleH1v2Row(const uint8_t* near, const uint8_t* far, bool lower, int count, uint8_t* out) {
  const __m256i weights = Weights(3, 1), round = _mm256_set1_epi16(lower ? 2 : 1);
  for (int i = 0; i < count; i += 32) {
    const __m256i n = Load(near + i), f = Load(far + i);
    const __m256i low = _mm256_srli_epi16(_mm256_add_epi16(_mm256_maddubs_epi16(_mm256_unpacklo_epi8(n, f), weights), round), 2);
    const __m256i high = _mm256_srli_epi16(_mm256_add_epi16(_mm256_maddubs_epi16(_mm256_unpackhi_epi8(n, f), weights), round), 2);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), _mm256_packus_epi16(low, high));
  }
}

// ---- colours ----

/// 32 pixels in bytes, in each half the eight of even number and then the eight of odd number.
struct Planes {
  __m256i b, g, r;
};

/// luma minus (11277 cb + 23401 cr) / 2^15, rounded: JFIF's 22554 and 46802 over 2^16. Products of bytes with the constants' bytes,
/// 44·256 + 13 and 91·256 + 105, keep it in words without loss. (No chroma gives a half, which the two forms round differently.)
SIAM_AVX2 __m256i Green(__m256i luma, __m256i pairs) {
  const __m256i upper = _mm256_maddubs_epi16(Weights(44, 91), pairs), lower = _mm256_maddubs_epi16(Weights(13, 105), pairs);
  return _mm256_sub_epi16(luma, _mm256_mulhrs_epi16(_mm256_add_epi16(upper, _mm256_srai_epi16(lower, 8)), _mm256_set1_epi16(1 << 8)));
}

SIAM_AVX2 __m256i Blue(__m256i luma, __m256i cb) {
  return _mm256_add_epi16(luma, _mm256_mulhrs_epi16(_mm256_add_epi16(cb, cb), _mm256_set1_epi16(29033)));
}

SIAM_AVX2 __m256i Red(__m256i luma, __m256i cr) {
  return _mm256_add_epi16(_mm256_add_epi16(luma, cr), _mm256_mulhrs_epi16(cr, _mm256_set1_epi16(13173)));
}

/// @param cb, cr  minus 128. The rounded products by 13173/2^15 and by 29033/2^14 equal those by JFIF's constants of 16 bits for all chroma.
SIAM_AVX2 Planes Convert(const Words& y, const Words& cb, const Words& cr) {
  const __m256i cb_bytes = _mm256_packs_epi16(cb.even, cb.odd), cr_bytes = _mm256_packs_epi16(cr.even, cr.odd);
  const __m256i green_even = Green(y.even, _mm256_unpacklo_epi8(cb_bytes, cr_bytes)), green_odd = Green(y.odd, _mm256_unpackhi_epi8(cb_bytes, cr_bytes));
  return {_mm256_packus_epi16(Blue(y.even, cb.even), Blue(y.odd, cb.odd)), _mm256_packus_epi16(green_even, green_odd),
          _mm256_packus_epi16(Red(y.even, cr.even), Red(y.odd, cr.odd))};
}

/// For each of three vectors of 16 interleaved bytes: where its bytes of a channel come from in a half of Planes.
struct InterleaveTable {
  alignas(32) uint8_t from[3][3][32];

  constexpr InterleaveTable() : from() {
    for (int vector = 0; vector < 3; ++vector) {
      for (int channel = 0; channel < 3; ++channel) {
        for (int i = 0; i < 32; ++i) {
          const int byte = vector * 16 + i % 16, pixel = byte / 3;
          from[vector][channel][i] = static_cast<uint8_t>(byte % 3 == channel ? pixel / 2 + pixel % 2 * 8 : 128);
        }
      }
    }
  }
};

constexpr InterleaveTable kInterleave;

SIAM_AVX2 __m256i Spread(__m256i plane, int vector, int channel) {
  return _mm256_shuffle_epi8(plane, _mm256_load_si256(reinterpret_cast<const __m256i*>(kInterleave.from[vector][channel])));
}

SIAM_AVX2 void StorePixels(const Planes& p, uint8_t* bgr) {
  for (int i = 0; i < 3; ++i) {
    const __m256i b = Spread(p.b, i, 0), g = Spread(p.g, i, 1), r = Spread(p.r, i, 2);
    const __m256i bytes = _mm256_or_si256(_mm256_or_si256(b, g), r);
    StoreHalves(bytes, bgr + 16 * i, bgr + 16 * i + 96);
  }
}

SIAM_AVX2 Words SplitColumns(__m256i bytes) { return {_mm256_and_si256(bytes, _mm256_set1_epi16(255)), _mm256_srli_epi16(bytes, 8)}; }

// Where chroma comes from: At(x, …) gives that of pixels x to x + 63.
struct Full {
  const uint8_t *cb, *cr;

  SIAM_AVX2 static void Plane(const uint8_t* in, Words& low, Words& high) {
    const __m256i centre = _mm256_set1_epi8(-128);
    for (const bool second : {false, true}) {
      const __m256i bytes = _mm256_xor_si256(LoadHalves(in + (second ? 16 : 0)), centre);  // signed now
      (second ? high : low) = {_mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8), _mm256_srai_epi16(bytes, 8)};
    }
  }

  SIAM_AVX2 void At(int x, Words* blue, Words* red) const {
    Plane(cb + x, blue[0], blue[1]);
    Plane(cr + x, red[0], red[1]);
  }
};

struct H2v1 {
  const uint8_t *cb, *cr;

  SIAM_AVX2 void At(int x, Words* blue, Words* red) const {
    UpsampleH2v1<128>(cb + x / 2, blue[0], blue[1]);
    UpsampleH2v1<128>(cr + x / 2, red[0], red[1]);
  }
};

struct H2v2 {
  const uint8_t *cb_near, *cb_far, *cr_near, *cr_far;

  SIAM_AVX2 void At(int x, Words* blue, Words* red) const {
    UpsampleH2v2<128>(cb_near + x / 2, cb_far + x / 2, blue[0], blue[1]);
    UpsampleH2v2<128>(cr_near + x / 2, cr_far + x / 2, red[0], red[1]);
  }
};

/// Pixels x to x + 63 to 192 bytes.
template <class Chroma>
SIAM_AVX2 void Store64(const uint8_t* y, const Chroma& chroma, int x, uint8_t* bgr) {
  Words blue[2], red[2];
  chroma.At(x, blue, red);
  for (int h = 0; h < 2; ++h) StorePixels(Convert(SplitColumns(LoadHalves(y + x + 16 * h)), blue[h], red[h]), bgr + 48 * h);
}

template <class Chroma>
SIAM_AVX2 void ToBgr(const uint8_t* y, const Chroma& chroma, int count, uint8_t* bgr) {
  int x = 0;
  for (; x + 64 <= count; x += 64) Store64(y, chroma, x, bgr + 3 * static_cast<ptrdiff_t>(x));
  if (x == count) return;
  uint8_t rest[192];
  Store64(y, chroma, x, rest);
  std::memcpy(bgr + 3 * static_cast<ptrdiff_t>(x), rest, 3 * static_cast<size_t>(count - x));
}

template <class Chroma>
SIAM_AVX2 void AddBgr(const uint8_t* y, const Chroma& chroma, int count, uint64_t* sums) {
  const __m256i zero = _mm256_setzero_si256();
  __m256i total[3] = {zero, zero, zero};
  int x = 0;
  for (; x + 64 <= count; x += 64) {
    Words blue[2], red[2];
    chroma.At(x, blue, red);
    for (int h = 0; h < 2; ++h) {
      const Planes p = Convert(SplitColumns(LoadHalves(y + x + 16 * h)), blue[h], red[h]);
      total[0] = _mm256_add_epi64(total[0], _mm256_sad_epu8(p.b, zero));
      total[1] = _mm256_add_epi64(total[1], _mm256_sad_epu8(p.g, zero));
      total[2] = _mm256_add_epi64(total[2], _mm256_sad_epu8(p.r, zero));
    }
  }
  for (int c = 0; c < 3; ++c) {
    alignas(32) uint64_t lanes[4];
    _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), total[c]);
    sums[c] += lanes[0] + lanes[1] + lanes[2] + lanes[3];
  }
  if (x == count) return;
  uint8_t rest[192];
  Store64(y, chroma, x, rest);
  for (int i = 0; i < 3 * (count - x); ++i) sums[i % 3] += rest[i];
}

__attribute__((target("avx2"))) void YccToBgr(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, int count, uint8_t* bgr) {
  ToBgr(y, Full{cb, cr}, count, bgr);
}

__attribute__((target("avx2"))) void H2v1ToBgr(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, int count, uint8_t* bgr) {
  ToBgr(y, H2v1{cb, cr}, count, bgr);
}

__attribute__((target("avx2"))) void H2v2ToBgr(const uint8_t* y, const uint8_t* cb_near, const uint8_t* cb_far, const uint8_t* cr_near,
                                               const uint8_t* cr_far, int count, uint8_t* bgr) {
  ToBgr(y, H2v2{cb_near, cb_far, cr_near, cr_far}, count, bgr);
}

__attribute__((target("avx2"))) void YccAddBgr(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, int count, uint64_t* sums) {
  AddBgr(y, Full{cb, cr}, count, sums);
}

__attribute__((target("avx2"))) void H2v1AddBgr(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, int count, uint64_t* sums) {
  AddBgr(y, H2v1{cb, cr}, count, sums);
}

__attribute__((target("avx2"))) void H2v2AddBgr(const uint8_t* y, const uint8_t* cb_near, const uint8_t* cb_far, const uint8_t* cr_near,
                                                const uint8_t* cr_far, int count, uint64_t* sums) {
  AddBgr(y, H2v2{cb_near, cb_far, cr_near, cr_far}, count, sums);
}

}  // namespace

const Kernels& Avx2Kernels() {
  static const Kernels table{"avx2", IdctAvx2, Idct4x4Avx2, PortableKernels().idct_dc, UpsampleH2v1Row, UpsampleH2v2Row, UpsampleH1v2Row,
                             YccToBgr, H2v1ToBgr, H2v2ToBgr, YccAddBgr, H2v1AddBgr, H2v2AddBgr, PortableKernels().gray_to_bgr, IdctTo4x4Avx2, IdctTo2x2Avx2};
  return table;
}

}  // namespace siam::data::jpeg

#endif
