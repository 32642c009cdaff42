// Bits of unstuffed entropy-coded data, first bit first.
#pragma once

#include <cstdint>
#include <cstring>

namespace siam::data::jpeg {

inline uint64_t LoadBigEndian64(const uint8_t* p) {
  uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return __builtin_bswap64(word);
}

/// Plain members, so that loops keep it in registers. Up to eight bytes from `at` on must be readable at any Refill().
struct BitReader {
  const uint8_t* at = nullptr;  ///< the first byte that is not counted in `count`
  uint64_t bits = 0;            ///< the next bits, topmost first; below `count` of them there may be some more right ones
  int count = 0;

  /// Afterwards 56 bits and more are there.
  __attribute__((always_inline)) void Refill() {
    bits |= LoadBigEndian64(at) >> count;
    at += (63 - count) >> 3;
    count |= 56;
  }

  /// @param n 1..32
  __attribute__((always_inline)) uint32_t Peek(int n) const { return static_cast<uint32_t>(bits >> (64 - n)); }

  __attribute__((always_inline)) void Skip(int n) {
    bits <<= n;
    count -= n;
  }

  /// How many bits before `at` are used up, seen from `begin`.
  int64_t Used(const uint8_t* begin) const { return (at - begin) * 8 - count; }
};

}  // namespace siam::data::jpeg
