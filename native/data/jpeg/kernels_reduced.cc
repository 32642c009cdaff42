#include "kernels_reduced.h"

#include <algorithm>

#include "kernels.h"

namespace siam::data::jpeg {
namespace {

constexpr int kConstBits = 13, kPass1Bits = 2;
constexpr int kPass1Shift = kConstBits - kPass1Bits, kPass2Shift = kConstBits + kPass1Bits + 3;

// As in SIMD registers: products of two words wrap, results of a pass saturate. No sum below leaves 32 bits.
inline int16_t Wrap(int32_t x) { return static_cast<int16_t>(static_cast<uint16_t>(x)); }
inline int16_t Saturate(int32_t x) { return static_cast<int16_t>(std::clamp(x, -32768, 32767)); }
inline uint8_t Sample(int16_t x) { return static_cast<uint8_t>(std::clamp<int>(x, -128, 127) + 128); }

/// Eight frequencies that lie `step` apart to kSize points, in place of the first ones.
template <int kSize>
inline void Reduce(int16_t* v, int step, int shift) {
  const int32_t in1 = v[step], in3 = v[3 * step], in5 = v[5 * step], in7 = v[7 * step];
  const int32_t base = v[0] * (1 << kConstBits) + (1 << (shift - 1));
  if constexpr (kSize == 2) {
    const int32_t odd = in1 * kQuarter1 + in3 * kQuarter3 + in5 * kQuarter5 + in7 * kQuarter7;
    v[0] = Saturate((base + odd) >> shift);
    v[step] = Saturate((base - odd) >> shift);
  } else {
    const int32_t turn = v[2 * step] * kHalfEven2 + v[6 * step] * kHalfEven6;
    const int32_t odd0 = in1 * kHalf0Of1 + in3 * kHalf0Of3 + in5 * kHalf0Of5 + in7 * kHalf0Of7;
    const int32_t odd1 = in1 * kHalf1Of1 + in3 * kHalf1Of3 + in5 * kHalf1Of5 + in7 * kHalf1Of7;
    v[0] = Saturate((base + turn + odd0) >> shift);
    v[step] = Saturate((base - turn + odd1) >> shift);
    v[2 * step] = Saturate((base - turn - odd1) >> shift);
    v[3 * step] = Saturate((base + turn - odd0) >> shift);
  }
}

template <int kSize>
inline void IdctTo(int16_t* coefficients, const uint16_t* quant, uint8_t* out, ptrdiff_t stride) {
  int16_t block[64];
  for (int row = 0; row < 8; ++row) {
    for (int column = 0; column < 8; ++column) {
      const int place = CoefficientPlace(row, column);
      block[8 * row + column] = Wrap(coefficients[place] * static_cast<int32_t>(quant[place]));
    }
  }
  std::fill_n(coefficients, 64, int16_t{0});
  for (int x = 0; x < 8; ++x) Reduce<kSize>(block + x, 8, kPass1Shift);
  for (int y = 0; y < kSize; ++y) {
    Reduce<kSize>(block + 8 * y, 1, kPass2Shift);
    for (int x = 0; x < kSize; ++x) out[y * stride + x] = Sample(block[8 * y + x]);
  }
}

/// Of a block that keeps more in one direction than in the other, as chroma of 4:2:2 and 4:4:0 does. Rare: no need to be fast.
template <int kWidth, int kHeight>
void MeanOfIdct(int16_t* coefficients, const uint16_t* quant, uint8_t* out, ptrdiff_t stride) {
  constexpr int kAcross = 8 / kWidth, kDown = 8 / kHeight;
  uint8_t full[64];
  KernelsOfThisCpu().idct(coefficients, quant, full, 8);
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) {
      int sum = kAcross * kDown / 2;
      for (int i = 0; i < kDown; ++i) {
        for (int j = 0; j < kAcross; ++j) sum += full[(y * kDown + i) * 8 + x * kAcross + j];
      }
      out[y * stride + x] = static_cast<uint8_t>(sum / (kAcross * kDown));
    }
  }
}

/// The mean of the block.
void To1x1(int16_t* coefficients, const uint16_t* quant, uint8_t* out, ptrdiff_t) {
  *out = Sample(Wrap((Wrap(coefficients[0] * static_cast<int32_t>(quant[0])) + 4) >> 3));
  for (int i = 0; i < 64; ++i) coefficients[i] = 0;
}

}  // namespace

void IdctTo4x4Portable(int16_t* coefficients, const uint16_t* quant, uint8_t* out, ptrdiff_t stride) { IdctTo<4>(coefficients, quant, out, stride); }
void IdctTo2x2Portable(int16_t* coefficients, const uint16_t* quant, uint8_t* out, ptrdiff_t stride) { IdctTo<2>(coefficients, quant, out, stride); }

BlockTransform TransformTo(int width, int height) {
  const Kernels& kernels = KernelsOfThisCpu();
  switch (width * 16 + height) {
    case 0x88: return kernels.idct;
    case 0x44: return kernels.idct_to_4x4;
    case 0x22: return kernels.idct_to_2x2;
    case 0x11: return To1x1;
    case 0x84: return MeanOfIdct<8, 4>;
    case 0x48: return MeanOfIdct<4, 8>;
    case 0x42: return MeanOfIdct<4, 2>;
    case 0x24: return MeanOfIdct<2, 4>;
    case 0x21: return MeanOfIdct<2, 1>;
    case 0x12: return MeanOfIdct<1, 2>;
    default: return nullptr;
  }
}

}  // namespace siam::data::jpeg
