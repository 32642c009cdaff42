// Inputs for the checks: like those of photographs, and the wildest that the types hold.
#pragma once

#include "check.h"
#include "crafted_jpeg.h"

namespace siam::data::jpeg {

constexpr int kBlockKinds = 10;
constexpr int kQuantKinds = 6;

inline const char* BlockKindName(int kind) {
  static const char* const names[kBlockKinds] = {"few small, quant",   "dense, quant",         "any 16 bits, quant", "largest, quant",     "DC only, quant",
                                                 "first row, quant", "first column, quant", "4x4 small, quant",   "4x4 any, quant", "one alone, quant"};
  return names[kind];
}

/// From row order to where the kernels want it.
template <class T>
std::array<T, 64> Placed(const std::array<T, 64>& in_rows) {
  std::array<T, 64> placed;
  for (int i = 0; i < 64; ++i) placed[CoefficientPlace(i / 8, i % 8)] = in_rows[i];
  return placed;
}

inline int16_t AnyWord(Random& random) { return static_cast<int16_t>(random.Within(-32767, 32767)); }

inline Block MakeBlock(int kind, Random& random) {
  Block block{};
  const auto fill = [&](int rows, int columns, auto value) {
    for (int y = 0; y < rows; ++y) {
      for (int x = 0; x < columns; ++x) block[y * 8 + x] = static_cast<int16_t>(value());
    }
  };
  const auto small = [&] { return random.Within(-20, 20) * (random.Next() % 3 == 0); };
  const auto any = [&] { return AnyWord(random); };
  switch (kind) {
    case 0: fill(5, 5, small); break;
    case 1: fill(8, 8, [&] { return random.Within(-300, 300); }); break;
    case 2: fill(8, 8, any); break;
    case 3: fill(8, 8, [&] { return random.Next() % 2 == 0 ? 32767 : -32767; }); break;
    case 4: fill(1, 1, any); break;
    case 5: fill(1, 8, any); break;
    case 6: fill(8, 1, any); break;
    case 7: fill(4, 4, small); break;
    case 8: fill(4, 4, any); break;
    default: block[random.Next() % 64] = AnyWord(random); break;
  }
  return block;
}

/// Whether a placed block has zeros outside of its first four rows and columns.
inline bool IsIn4x4(const Block& placed) {
  int outside = 0;
  for (int i = 0; i < 64; ++i) {
    if (i / 8 > 3 || i % 8 > 3) outside |= placed[CoefficientPlace(i / 8, i % 8)];
  }
  return outside == 0;
}

inline bool IsDcOnly(const Block& placed) {
  int outside = 0;
  for (int i = 1; i < 64; ++i) outside |= placed[CoefficientPlace(i / 8, i % 8)];
  return outside == 0;
}

/// 16-bit quantisation in row order: ones, a usual table's size, all sizes, the largest.
inline std::array<uint16_t, 64> MakeQuant(int kind, Random& random) {
  constexpr int largest[kQuantKinds] = {1, 10, 100, 1000, 65535, 65535};
  std::array<uint16_t, 64> quant;
  for (uint16_t& q : quant) q = static_cast<uint16_t>(kind == kQuantKinds - 1 ? 65535 : random.Within(1, largest[kind]));
  return quant;
}

/// A sample of any value, the ends of the range more often.
inline uint8_t MakeSample(Random& random) {
  const uint32_t draw = random.Next();
  if (draw % 4 == 0) return draw & 64 ? 255 : 0;
  return static_cast<uint8_t>(draw >> 8);
}

}  // namespace siam::data::jpeg
