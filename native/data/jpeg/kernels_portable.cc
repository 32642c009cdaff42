#include <algorithm>

#include "kernels.h"
#include "kernels_reduced.h"

namespace siam::data::jpeg {
namespace {

// ---- inverse DCT ----

// The accurate integer IDCT (Loeffler, Ligtenberg and Moschytz) with constants of 13 bits, first down the columns, then along the rows.
// Words are 16 bits as in SIMD registers: sums of two inputs wrap, results of a pass saturate. Only coefficients that no encoder writes
// tell the difference.
constexpr int kConstBits = 13;
constexpr int kPass1Bits = 2;

constexpr int32_t Fix(double x) { return static_cast<int32_t>(x * (1 << kConstBits) + 0.5); }

constexpr int32_t k0_298 = Fix(0.298631336), k0_390 = Fix(0.390180644), k0_541 = Fix(0.541196100), k0_765 = Fix(0.765366865),
                  k0_899 = Fix(0.899976223), k1_175 = Fix(1.175875602), k1_501 = Fix(1.501321110), k1_847 = Fix(1.847759065),
                  k1_961 = Fix(1.961570560), k2_053 = Fix(2.053119869), k2_562 = Fix(2.562915447), k3_072 = Fix(3.072711026);

inline int16_t Wrap(int32_t x) { return static_cast<int16_t>(static_cast<uint16_t>(x)); }
inline int16_t Saturate(int32_t x) { return static_cast<int16_t>(std::clamp(x, -32768, 32767)); }

/// Eight values that lie `step` apart, transformed in place. No sum below leaves 32 bits.
inline void Transform(int16_t* v, int step, int shift) {
  const int32_t in0 = v[0], in1 = v[step], in2 = v[2 * step], in3 = v[3 * step], in4 = v[4 * step], in5 = v[5 * step], in6 = v[6 * step],
                in7 = v[7 * step];
  const int32_t round = 1 << (shift - 1);
  const int32_t even0 = Wrap(in0 + in4) * (1 << kConstBits) + round, even1 = Wrap(in0 - in4) * (1 << kConstBits) + round;
  const int32_t turn0 = in2 * (k0_541 + k0_765) + in6 * k0_541, turn1 = in2 * k0_541 + in6 * (k0_541 - k1_847);
  const int32_t even[4] = {even0 + turn0, even1 + turn1, even1 - turn1, even0 - turn0};

  const int32_t z3 = Wrap(in7 + in3), z4 = Wrap(in5 + in1);
  const int32_t mix3 = z3 * (k1_175 - k1_961) + z4 * k1_175, mix4 = z3 * k1_175 + z4 * (k1_175 - k0_390);
  const int32_t odd[4] = {in1 * (k1_501 - k0_899) - in7 * k0_899 + mix4, in3 * (k3_072 - k2_562) - in5 * k2_562 + mix3,
                          in5 * (k2_053 - k2_562) - in3 * k2_562 + mix4, in7 * (k0_298 - k0_899) - in1 * k0_899 + mix3};
  for (int i = 0; i < 4; ++i) {
    v[i * step] = Saturate((even[i] + odd[i]) >> shift);
    v[(7 - i) * step] = Saturate((even[i] - odd[i]) >> shift);
  }
}

inline uint8_t Sample(int16_t x) { return static_cast<uint8_t>(std::clamp<int>(x, -128, 127) + 128); }

void Idct(int16_t* coefficients, const uint16_t* quant, uint8_t* out, ptrdiff_t stride) {
  int16_t block[64];
  int below = 0;
  for (int row = 0; row < 8; ++row) {
    for (int column = 0; column < 8; ++column) {
      const int place = CoefficientPlace(row, column);
      block[8 * row + column] = Wrap(coefficients[place] * static_cast<int32_t>(quant[place]));
      if (row > 0) below |= coefficients[place];
    }
  }
  std::fill_n(coefficients, 64, int16_t{0});
  if (below == 0) {
    // Here libjpeg takes a short cut, and wraps where the transform would saturate.
    for (int x = 0; x < 8; ++x) block[x] = Wrap(block[x] * (1 << kPass1Bits));
    for (int i = 8; i < 64; ++i) block[i] = block[i % 8];
  } else {
    for (int x = 0; x < 8; ++x) Transform(block + x, 8, kConstBits - kPass1Bits);
  }
  for (int y = 0; y < 8; ++y) {
    Transform(block + 8 * y, 1, kConstBits + kPass1Bits + 3);
    for (int x = 0; x < 8; ++x) out[y * stride + x] = Sample(block[8 * y + x]);
  }
}

void IdctDc(int16_t dc, uint16_t quant, uint8_t* out, ptrdiff_t stride) {
  const int32_t column = Wrap(Wrap(dc * static_cast<int32_t>(quant)) * (1 << kPass1Bits));
  const uint8_t sample = Sample(Wrap((column + 16) >> (kPass1Bits + 3)));
  for (int y = 0; y < 8; ++y) std::fill_n(out + y * stride, 8, sample);
}

// ---- upsampling: a triangle filter, whose rounding alternates so that no side is favoured ----

void UpsampleH2v1(const uint8_t* in, int count, uint8_t* out) {
  for (int i = 0; i < count; ++i) {
    out[2 * i] = static_cast<uint8_t>((3 * in[i] + in[i - 1] + 1) >> 2);
    out[2 * i + 1] = static_cast<uint8_t>((3 * in[i] + in[i + 1] + 2) >> 2);
  }
}

void UpsampleH2v2(const uint8_t* near, const uint8_t* far, int count, uint8_t* out) {
  const auto column = [=](int i) { return 3 * near[i] + far[i]; };
  for (int i = 0; i < count; ++i) {
    out[2 * i] = static_cast<uint8_t>((3 * column(i) + column(i - 1) + 8) >> 4);
    out[2 * i + 1] = static_cast<uint8_t>((3 * column(i) + column(i + 1) + 7) >> 4);
  }
}

void UpsampleH1v2(const uint8_t* near, const uint8_t* far, bool lower, int count, uint8_t* out) {
  const int round = lower ? 2 : 1;
  for (int i = 0; i < count; ++i) out[i] = static_cast<uint8_t>((3 * near[i] + far[i] + round) >> 2);
}

// ---- colours: JFIF's factors in 16-bit fixed point ----

constexpr int32_t kRedOfCr = 91881, kGreenOfCb = -22554, kGreenOfCr = -46802, kBlueOfCb = 116130, kHalf = 1 << 15;

struct Bgr {
  uint8_t b, g, r;
};

inline uint8_t Clamp(int32_t x) { return static_cast<uint8_t>(std::clamp(x, 0, 255)); }

inline Bgr ToBgr(int32_t y, int32_t cb, int32_t cr) {
  cb -= 128;
  cr -= 128;
  return {Clamp(y + ((kBlueOfCb * cb + kHalf) >> 16)), Clamp(y + ((kGreenOfCb * cb + kGreenOfCr * cr + kHalf) >> 16)),
          Clamp(y + ((kRedOfCr * cr + kHalf) >> 16))};
}

void YccToBgr(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, int count, uint8_t* bgr) {
  for (int i = 0; i < count; ++i) {
    const Bgr pixel = ToBgr(y[i], cb[i], cr[i]);
    bgr[3 * i] = pixel.b;
    bgr[3 * i + 1] = pixel.g;
    bgr[3 * i + 2] = pixel.r;
  }
}

void YccAddBgr(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, int count, uint64_t* sums) {
  for (int i = 0; i < count; ++i) {
    const Bgr pixel = ToBgr(y[i], cb[i], cr[i]);
    sums[0] += pixel.b;
    sums[1] += pixel.g;
    sums[2] += pixel.r;
  }
}

void GrayToBgr(const uint8_t* y, int count, uint8_t* bgr) {
  for (int i = 0; i < count; ++i) bgr[3 * i] = bgr[3 * i + 1] = bgr[3 * i + 2] = y[i];
}

/// Calls use(first pixel, pixels, cb, cr) for pieces of a row, whose chroma upsample(first sample, samples, cb, cr) gives.
template <class Upsample, class Use>
inline void ByPieces(int count, Upsample upsample, Use use) {
  constexpr int kPiece = 128;
  uint8_t cb[kPiece], cr[kPiece];
  for (int x = 0; x < count; x += kPiece) {
    const int pixels = std::min(kPiece, count - x);
    upsample(x / 2, (pixels + 1) / 2, cb, cr);
    use(x, pixels, cb, cr);
  }
}

inline auto H2v1(const uint8_t* in_cb, const uint8_t* in_cr) {
  return [=](int x, int count, uint8_t* cb, uint8_t* cr) {
    UpsampleH2v1(in_cb + x, count, cb);
    UpsampleH2v1(in_cr + x, count, cr);
  };
}

inline auto H2v2(const uint8_t* cb_near, const uint8_t* cb_far, const uint8_t* cr_near, const uint8_t* cr_far) {
  return [=](int x, int count, uint8_t* cb, uint8_t* cr) {
    UpsampleH2v2(cb_near + x, cb_far + x, count, cb);
    UpsampleH2v2(cr_near + x, cr_far + x, count, cr);
  };
}

inline auto ToPixels(const uint8_t* y, uint8_t* bgr) {
  return [=](int x, int pixels, const uint8_t* cb, const uint8_t* cr) { YccToBgr(y + x, cb, cr, pixels, bgr + 3 * static_cast<ptrdiff_t>(x)); };
}

inline auto ToSums(const uint8_t* y, uint64_t* sums) {
  return [=](int x, int pixels, const uint8_t* cb, const uint8_t* cr) { YccAddBgr(y + x, cb, cr, pixels, sums); };
}

void H2v1ToBgr(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, int count, uint8_t* bgr) {
  ByPieces(count, H2v1(cb, cr), ToPixels(y, bgr));
}

void H2v1AddBgr(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, int count, uint64_t* sums) {
  ByPieces(count, H2v1(cb, cr), ToSums(y, sums));
}

void H2v2ToBgr(const uint8_t* y, const uint8_t* cb_near, const uint8_t* cb_far, const uint8_t* cr_near, const uint8_t* cr_far, int count,
               uint8_t* bgr) {
  ByPieces(count, H2v2(cb_near, cb_far, cr_near, cr_far), ToPixels(y, bgr));
}

void H2v2AddBgr(const uint8_t* y, const uint8_t* cb_near, const uint8_t* cb_far, const uint8_t* cr_near, const uint8_t* cr_far, int count,
                uint64_t* sums) {
  ByPieces(count, H2v2(cb_near, cb_far, cr_near, cr_far), ToSums(y, sums));
}

constexpr Kernels kPortable{"portable", Idct,      Idct,      IdctDc,    UpsampleH2v1, UpsampleH2v2, UpsampleH1v2, YccToBgr,
                            H2v1ToBgr,  H2v2ToBgr, YccAddBgr, H2v1AddBgr, H2v2AddBgr,   GrayToBgr, IdctTo4x4Portable, IdctTo2x2Portable};

}  // namespace

const Kernels& PortableKernels() { return kPortable; }

}  // namespace siam::data::jpeg
