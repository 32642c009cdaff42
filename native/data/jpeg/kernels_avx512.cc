#include "kernels_tables.h"

#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
// GCC's own header of these instructions sets off both where it asks for vectors of any content.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

// AVX-512 with VBMI, whose permutations of bytes across the whole vector make the interleaving cheap. Processors that have it do not slow
// down for vectors of 512 bits. The arithmetic is that of kernels_avx2.cc; vectors are in order here.
#define SIAM_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi"), always_inline)) inline
#define SIAM_AVX512_ENTRY __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi")))

namespace siam::data::jpeg {
namespace {

/// Words of 64 pixels, columns of even and of odd number apart.
struct Words {
  __m512i even, odd;
};

/// 64 pixels in bytes: in each 16 bytes the eight of even number and then the eight of odd number of 16 pixels.
struct Planes {
  __m512i b, g, r;
};

struct Tables {
  alignas(64) uint8_t left_pairs[64];     // bytes 0 1, 1 2, 2 3, …: of a vector that starts one sample before
  alignas(64) uint8_t right_pairs[64];    // bytes 1 2, 2 3, …
  alignas(64) uint8_t blue_green[3][64];  // for each of three vectors of interleaved bytes, where blue and green (from 64 on) come from
  alignas(64) uint8_t red[3][64];
  alignas(64) uint8_t pixel[64];     // the pixel that a byte of Planes belongs to
  alignas(64) uint8_t gray[3][64];   // for each vector of interleaved bytes, which pixel they belong to
  uint64_t is_red[3];

  constexpr Tables() : left_pairs(), right_pairs(), blue_green(), red(), pixel(), gray(), is_red() {
    for (int i = 0; i < 64; ++i) {
      left_pairs[i] = static_cast<uint8_t>(i / 2 + i % 2);
      right_pairs[i] = static_cast<uint8_t>(i / 2 + i % 2 + 1);
      pixel[i] = static_cast<uint8_t>(i / 16 * 16 + i % 8 * 2 + i % 16 / 8);
      for (int vector = 0; vector < 3; ++vector) {
        const int byte = vector * 64 + i, at = byte / 3;
        const int place = at / 16 * 16 + at % 2 * 8 + at % 16 / 2;
        blue_green[vector][i] = static_cast<uint8_t>(byte % 3 == 1 ? 64 + place : place);
        red[vector][i] = static_cast<uint8_t>(place);
        gray[vector][i] = static_cast<uint8_t>(at);
        if (byte % 3 == 2) is_red[vector] |= uint64_t{1} << i;
      }
    }
  }
};

constexpr Tables kTables;

SIAM_AVX512 __m512i Load(const uint8_t* p) { return _mm512_loadu_si512(p); }

/// Two weights for unsigned bytes in every lane.
SIAM_AVX512 __m512i Weights(int first, int second) { return _mm512_set1_epi16(static_cast<int16_t>(second << 8 | first)); }

SIAM_AVX512 __m512i LeftPairs(__m512i bytes) { return _mm512_permutexvar_epi8(Load(kTables.left_pairs), bytes); }
SIAM_AVX512 __m512i RightPairs(__m512i bytes) { return _mm512_permutexvar_epi8(Load(kTables.right_pairs), bytes); }

// Where chroma comes from. At(x, …) gives that of pixels x to x + 63, minus 128.
struct Full {
  const uint8_t *cb, *cr;

  SIAM_AVX512 static Words Plane(const uint8_t* in) {
    const __m512i bytes = _mm512_xor_si512(Load(in), _mm512_set1_epi8(-128));  // signed now
    return {_mm512_srai_epi16(_mm512_slli_epi16(bytes, 8), 8), _mm512_srai_epi16(bytes, 8)};
  }

  SIAM_AVX512 void At(int x, Words& blue, Words& red) const {
    blue = Plane(cb + x);
    red = Plane(cr + x);
  }
};

struct H2v1 {
  const uint8_t *cb, *cr;

  SIAM_AVX512 static Words Plane(const uint8_t* in) {
    const __m512i bytes = Load(in - 1);
    const __m512i even = _mm512_maddubs_epi16(LeftPairs(bytes), Weights(1, 3)), odd = _mm512_maddubs_epi16(RightPairs(bytes), Weights(3, 1));
    return {_mm512_srai_epi16(_mm512_add_epi16(even, _mm512_set1_epi16(1 - 4 * 128)), 2),
            _mm512_srai_epi16(_mm512_add_epi16(odd, _mm512_set1_epi16(2 - 4 * 128)), 2)};
  }

  SIAM_AVX512 void At(int x, Words& blue, Words& red) const {
    blue = Plane(cb + x / 2);
    red = Plane(cr + x / 2);
  }
};

struct H2v2 {
  const uint8_t *cb_near, *cb_far, *cr_near, *cr_far;

  SIAM_AVX512 static Words Plane(const uint8_t* near, const uint8_t* far) {
    const __m512i n = Load(near - 1), f = Load(far - 1);
    const __m512i even = _mm512_add_epi16(_mm512_maddubs_epi16(LeftPairs(n), Weights(3, 9)), _mm512_maddubs_epi16(LeftPairs(f), Weights(1, 3)));
    const __m512i odd = _mm512_add_epi16(_mm512_maddubs_epi16(RightPairs(n), Weights(9, 3)), _mm512_maddubs_epi16(RightPairs(f), Weights(3, 1)));
    return {_mm512_srai_epi16(_mm512_add_epi16(even, _mm512_set1_epi16(8 - 16 * 128)), 4),
            _mm512_srai_epi16(_mm512_add_epi16(odd, _mm512_set1_epi16(7 - 16 * 128)), 4)};
  }

  SIAM_AVX512 void At(int x, Words& blue, Words& red) const {
    blue = Plane(cb_near + x / 2, cb_far + x / 2);
    red = Plane(cr_near + x / 2, cr_far + x / 2);
  }
};

SIAM_AVX512 __m512i Blue(__m512i luma, __m512i cb) {
  return _mm512_add_epi16(luma, _mm512_mulhrs_epi16(_mm512_add_epi16(cb, cb), _mm512_set1_epi16(29033)));
}

SIAM_AVX512 __m512i Red(__m512i luma, __m512i cr) {
  return _mm512_add_epi16(_mm512_add_epi16(luma, cr), _mm512_mulhrs_epi16(cr, _mm512_set1_epi16(13173)));
}

SIAM_AVX512 __m512i Green(__m512i luma, __m512i cb, __m512i cr) {
  constexpr int kSelect = 0xD8;  // a ternary operation: the bits of the second operand where the third has ones, else of the first
  const __m512i pairs = _mm512_ternarylogic_epi32(_mm512_slli_epi16(cr, 8), cb, _mm512_set1_epi16(255), kSelect);
  const __m512i upper = _mm512_maddubs_epi16(Weights(44, 91), pairs), lower = _mm512_maddubs_epi16(Weights(13, 105), pairs);
  return _mm512_sub_epi16(luma, _mm512_mulhrs_epi16(_mm512_add_epi16(upper, _mm512_srai_epi16(lower, 8)), _mm512_set1_epi16(1 << 8)));
}

template <class Chroma>
SIAM_AVX512 Planes Convert(const uint8_t* y, const Chroma& chroma, int x) {
  Words cb, cr;
  chroma.At(x, cb, cr);
  const __m512i bytes = Load(y + x);
  const __m512i even = _mm512_and_si512(bytes, _mm512_set1_epi16(255)), odd = _mm512_srli_epi16(bytes, 8);
  return {_mm512_packus_epi16(Blue(even, cb.even), Blue(odd, cb.odd)),
          _mm512_packus_epi16(Green(even, cb.even, cr.even), Green(odd, cb.odd, cr.odd)),
          _mm512_packus_epi16(Red(even, cr.even), Red(odd, cr.odd))};
}

SIAM_AVX512 __m512i Interleave(const Planes& p, int vector) {
  const __m512i blue_green = _mm512_permutex2var_epi8(p.b, Load(kTables.blue_green[vector]), p.g);
  return _mm512_mask_permutexvar_epi8(blue_green, kTables.is_red[vector], Load(kTables.red[vector]), p.r);
}

/// The lowest `count` bits, none to all.
inline uint64_t LowBits(int count) { return count <= 0 ? 0 : count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1; }

template <class Chroma>
SIAM_AVX512 void ToBgr(const uint8_t* y, const Chroma& chroma, int count, uint8_t* bgr) {
  int x = 0;
  for (; x + 64 <= count; x += 64, bgr += 192) {
    const Planes p = Convert(y, chroma, x);
    for (int i = 0; i < 3; ++i) _mm512_storeu_si512(bgr + 64 * i, Interleave(p, i));
  }
  if (x == count) return;
  const Planes p = Convert(y, chroma, x);
  for (int i = 0; i < 3; ++i) _mm512_mask_storeu_epi8(bgr + 64 * i, LowBits(3 * (count - x) - 64 * i), Interleave(p, i));
}

template <class Chroma>
SIAM_AVX512 void AddBgr(const uint8_t* y, const Chroma& chroma, int count, uint64_t* sums) {
  const __m512i zero = _mm512_setzero_si512();
  __m512i total[3] = {zero, zero, zero};
  for (int x = 0; x < count; x += 64) {
    Planes p = Convert(y, chroma, x);
    if (x + 64 > count) {
      const __mmask64 inside = _mm512_cmplt_epu8_mask(Load(kTables.pixel), _mm512_set1_epi8(static_cast<char>(count - x)));
      p = {_mm512_maskz_mov_epi8(inside, p.b), _mm512_maskz_mov_epi8(inside, p.g), _mm512_maskz_mov_epi8(inside, p.r)};
    }
    total[0] = _mm512_add_epi64(total[0], _mm512_sad_epu8(p.b, zero));
    total[1] = _mm512_add_epi64(total[1], _mm512_sad_epu8(p.g, zero));
    total[2] = _mm512_add_epi64(total[2], _mm512_sad_epu8(p.r, zero));
  }
  for (int c = 0; c < 3; ++c) sums[c] += static_cast<uint64_t>(_mm512_reduce_add_epi64(total[c]));
}

SIAM_AVX512_ENTRY void YccToBgr(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, int count, uint8_t* bgr) {
  ToBgr(y, Full{cb, cr}, count, bgr);
}

SIAM_AVX512_ENTRY void H2v1ToBgr(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, int count, uint8_t* bgr) {
  ToBgr(y, H2v1{cb, cr}, count, bgr);
}

SIAM_AVX512_ENTRY void H2v2ToBgr(const uint8_t* y, const uint8_t* cb_near, const uint8_t* cb_far, const uint8_t* cr_near,
                                 const uint8_t* cr_far, int count, uint8_t* bgr) {
  ToBgr(y, H2v2{cb_near, cb_far, cr_near, cr_far}, count, bgr);
}

SIAM_AVX512_ENTRY void YccAddBgr(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, int count, uint64_t* sums) {
  AddBgr(y, Full{cb, cr}, count, sums);
}

SIAM_AVX512_ENTRY void H2v1AddBgr(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, int count, uint64_t* sums) {
  AddBgr(y, H2v1{cb, cr}, count, sums);
}

SIAM_AVX512_ENTRY void H2v2AddBgr(const uint8_t* y, const uint8_t* cb_near, const uint8_t* cb_far, const uint8_t* cr_near,
                                  const uint8_t* cr_far, int count, uint64_t* sums) {
  AddBgr(y, H2v2{cb_near, cb_far, cr_near, cr_far}, count, sums);
}

SIAM_AVX512_ENTRY void GrayToBgr(const uint8_t* y, int count, uint8_t* bgr) {
  for (int x = 0; x < count; x += 64, bgr += 192) {
    const __m512i bytes = Load(y + x);
    for (int i = 0; i < 3; ++i) {
      _mm512_mask_storeu_epi8(bgr + 64 * i, LowBits(3 * (count - x) - 64 * i), _mm512_permutexvar_epi8(Load(kTables.gray[i]), bytes));
    }
  }
}

}  // namespace

const Kernels& Avx512Kernels() {
  static const Kernels table = [] {
    Kernels kernels = Avx2Kernels();  // transforms of one block, and upsampling alone, do not gain from wider vectors
    kernels.name = "avx512";
    kernels.ycc_to_bgr = YccToBgr;
    kernels.h2v1_to_bgr = H2v1ToBgr;
    kernels.h2v2_to_bgr = H2v2ToBgr;
    kernels.ycc_add_bgr = YccAddBgr;
    kernels.h2v1_add_bgr = H2v1AddBgr;
    kernels.h2v2_add_bgr = H2v2AddBgr;
    kernels.gray_to_bgr = GrayToBgr;
    return kernels;
  }();
  return table;
}

}  // namespace siam::data::jpeg

#endif
