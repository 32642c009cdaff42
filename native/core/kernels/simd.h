// Shared by the CPU kernels: one function body compiled for several instruction sets, and bfloat16 as plain bits.
//
// Shape suffixes: N batch, C channels, P = H*W pixels of a plane, R = N*P rows of an interleaved (channels_last) tensor.
#pragma once

#include <cstdint>
#include <cstring>

// The loader picks the best clone at load time (ifunc), so one binary serves every x86-64; other targets get the plain body.
// Clones are named by feature: "arch=haswell" would be taken on that very model only, and every AMD processor would run the plain body.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(SIAM_NO_CLONES)
#define SIAM_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define SIAM_CLONES
#endif
// Bodies are templates inlined into the clones, so that each is compiled for its clone's instruction set.
#define SIAM_INLINE inline __attribute__((always_inline))

namespace siam::kernels {

/// bfloat16 as bits: the upper half of a float32.
struct Bf16 {
  uint16_t bits;
};

SIAM_INLINE float to_float(float value) { return value; }
SIAM_INLINE float to_float(Bf16 value) {
  const uint32_t wide = static_cast<uint32_t>(value.bits) << 16;
  float result;
  std::memcpy(&result, &wide, sizeof result);
  return result;
}

template <class T>
SIAM_INLINE T from_float(float value);
template <>
SIAM_INLINE float from_float<float>(float value) {
  return value;
}
/// Round to nearest even; NaN stays NaN because the training loop stops on it and its payload does not matter.
template <>
SIAM_INLINE Bf16 from_float<Bf16>(float value) {
  uint32_t wide;
  std::memcpy(&wide, &value, sizeof wide);
  const uint32_t rounded = wide + 0x7fffu + ((wide >> 16) & 1u);
  const bool nan = (wide & 0x7fffffffu) > 0x7f800000u;
  return Bf16{static_cast<uint16_t>((nan ? (wide | 0x400000u) : rounded) >> 16)};
}

}  // namespace siam::kernels
