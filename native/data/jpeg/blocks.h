// One block's entropy-coded coefficients: read, or passed over.
#pragma once

#include <cstdint>

#include "bit_reader.h"
#include "header.h"
#include "huffman.h"

namespace siam::data::jpeg {

#define SIAM_INLINE inline __attribute__((always_inline))

// What is rare is done by functions of their own, on a copy of the reader: one whose address is taken would live in memory, not in registers.

// Results of ReadAc beside the index of the last coefficient.
constexpr int kBadBlock = -1;

/// A DC difference that the lookup does not hold. @returns false on a bad code
__attribute__((noinline)) inline bool ReadLongDc(BitReader& reader, const DcTable& table, int& difference) {
  const int size = table.codes.Read(reader);
  if (size < 0) return false;
  difference = ReadExtra(reader, size);
  reader.Refill();
  return true;
}

/// Reads a DC difference. @returns false on a bad code. Leaves 56 bits less kDcBits in the reader.
SIAM_INLINE bool ReadDc(BitReader& reader, const DcTable& table, int& prediction) {
  reader.Refill();
  const int32_t entry = table.lookup[reader.Peek(kDcBits)];
  if (__builtin_expect(entry != 0, 1)) {
    reader.Skip(entry & 255);
    prediction += entry >> 16;
    return true;
  }
  BitReader copy = reader;
  int difference = 0;
  const bool good = ReadLongDc(copy, table, difference);
  reader = copy;
  prediction += difference;
  return good;
}

/// An AC symbol that the lookup does not hold. @param index  that of the last coefficient, moved on     @returns false on a bad one
__attribute__((noinline)) inline bool ReadLongAc(BitReader& reader, const AcTable& table, int& index, int& value) {
  reader.Refill();
  const int symbol = table.codes.Read(reader);
  if (symbol < 0) return false;
  const int run = symbol >> 4, size = symbol & 15;
  if (size == 0 && run != 0 && run != 15) return false;
  index += symbol == 0 ? kEndOfBlock : run + 1;
  value = ReadExtra(reader, size);
  reader.Refill();
  return true;
}

/// Reads AC coefficients into `block` [64], which holds zeros, each to its CoefficientPlace.
/// @returns the zigzag index of the last one that was written, 0 when there is none, or kBadBlock
SIAM_INLINE int ReadAc(BitReader& reader, const AcTable& table, int16_t* block) {
  static_assert(kDcBits + 4 * kAcBits <= 56, "bits of a refill");
  int index = 0;
  for (;;) {
    for (int i = 0; i < 4; ++i) {
      const int32_t entry = table.lookup[reader.Peek(kAcBits)];
      const int next = index + (entry >> 8 & 255);
      if (__builtin_expect(next >= 63, 0)) {
        int at = next, value = entry >> 16;
        if (next >= kNoEntry) {
          BitReader copy = reader;
          int long_at = index, long_value = 0;
          if (!ReadLongAc(copy, table, long_at, long_value)) return kBadBlock;
          reader = copy;
          at = long_at;
          value = long_value;
          if (at < 63) {
            block[kPlaceOfZigzag[at]] = static_cast<int16_t>(value);
            index = at;
            goto refilled;
          }
        } else {
          reader.Skip(entry & 255);
        }
        if (at >= kEndOfBlock) return index;
        if (at > 63) return kBadBlock;
        block[kPlaceOfZigzag[63]] = static_cast<int16_t>(value);
        return 63;
      }
      reader.Skip(entry & 255);
      block[kPlaceOfZigzag[next]] = static_cast<int16_t>(entry >> 16);
      index = next;
    }
    reader.Refill();
  refilled:;
  }
}

/// Passes over one AC symbol. @param index  moved on     @returns false on a bad one
__attribute__((noinline)) inline bool StepAc(BitReader& reader, const AcTable& table, int& index) {
  const int32_t entry = table.lookup[reader.Peek(kAcBits)];
  int value;
  if ((entry >> 8 & 255) == kNoEntry) return ReadLongAc(reader, table, index, value);
  index += entry >> 8 & 255;
  reader.Skip(entry & 255);
  reader.Refill();
  return true;
}

/// Passes over AC coefficients. @returns false when they are bad
SIAM_INLINE bool SkipAc(BitReader& reader, const AcTable& table, const SkipTable& skip) {
  static_assert(kDcBits + 3 * kSkipBits <= 56, "bits of a refill");
  int index = 0;
  for (;;) {
    for (int i = 0; i < 3; ++i) {
      const int entry = skip.lookup[reader.Peek(kSkipBits)];
      const int next = index + (entry >> 4);
      // An end behind the last coefficient is none: those bits belong to the next block.
      if (__builtin_expect(next >= kEndOfBlock && next < kEndOfBlock + 63, 1)) {
        reader.Skip(entry & 15);
        return true;
      }
      if (__builtin_expect(next >= 63 || entry == 0, 0)) {
        // Step by step, because the block ends somewhere within this lookup, or because the code is long.
        BitReader copy = reader;
        int at = index;
        if (!StepAc(copy, table, at)) return false;
        reader = copy;
        if (at == 63 || at >= kEndOfBlock) return true;
        if (at > 63) return false;
        index = at;
        goto refilled;
      }
      reader.Skip(entry & 15);
      index = next;
    }
    reader.Refill();
  refilled:;
  }
}

}  // namespace siam::data::jpeg
