// The entropy-coded coefficients of a run of blocks: read, or passed over.
//
// Each step is one table lookup, and whether a block ended with it changes which table comes next, not where the program goes: a branch
// would be guessed wrong at nearly every block, which costs more than the lookups. What a lookup cannot do is rare, and done by functions
// of their own, on a copy of the reader: one whose address is taken would live in memory and not in registers.
#pragma once

#include <array>
#include <cstdint>

#include "bit_reader.h"
#include "header.h"
#include "huffman.h"

namespace siam::data::jpeg {

#define SIAM_INLINE inline __attribute__((always_inline))
#define SIAM_RARE inline __attribute__((noinline, cold))

/// Blocks of a run: sixteen MCUs of at most six.
constexpr int kRunMcus = 16;
constexpr int kMaxMcuBlocks = 6;
constexpr int kRunBlocks = kRunMcus * kMaxMcuBlocks;

/// The tables of each block of a run. Behind the last one, tables with nothing but slow entries end the loop.
template <typename Entry>
struct RunStep {
  const Entry* first = nullptr;
  const Entry* ac = nullptr;
  const BlockCodes* codes = nullptr;
  int* prediction = nullptr;  ///< of the block's component, when blocks are passed over
};

/// Where a block's coefficients lie: [0, 64) those of the zigzag index; behind the block for kNowhere and more.
extern const std::array<uint8_t, 256> kBlockPlaces;

/// One AC symbol. @param k  the last coefficient's index, moved on; 64 where the block ends     @returns false when it is bad
SIAM_RARE bool ReadSlowAc(BitReader& reader, const BlockCodes& codes, int& k, int& value) {
  reader.Refill();
  const int symbol = codes.ac.Read(reader);
  if (symbol < 0) return false;
  const int run = symbol >> 4, size = symbol & 15;
  value = ReadExtra(reader, size);
  if (symbol == 0) {
    k = 64;
    return true;
  }
  k += run + 1;
  return k <= 63 && (size != 0 || run == 15);
}

SIAM_RARE bool ReadSlowDc(BitReader& reader, const BlockCodes& codes, int& difference) {
  reader.Refill();
  const int size = codes.dc.Read(reader);
  if (size < 0) return false;
  difference = ReadExtra(reader, size);
  return true;
}

/// Passes over blocks, whose DC differences are added to the predictions.
/// @param step  of the first block; those after it up to the end     @returns false when something is bad
SIAM_INLINE bool PassRun(BitReader& bits, const RunStep<int32_t>* step, const RunStep<int32_t>* end) {
  static_assert(4 * kPassBits <= 56, "bits of a refill");
  BitReader reader = bits;
  const int32_t* table = step->first;
  int k = 0;
  for (;;) {
    reader.Refill();
    for (int i = 0; i < 4; ++i) {
      const int64_t entry = table[reader.Peek(kPassBits)];
      const int next = k + static_cast<int>(entry >> 24 & 63);
      if (__builtin_expect(next >= 63, 0)) {
        if (step == end) {
          bits = reader;
          return true;
        }
        BitReader copy = reader;
        int value = 0, at = k;
        if (table != step->ac) {
          if (!ReadSlowDc(copy, *step->codes, value)) return false;
          *step->prediction += value;
          table = step->ac;
        } else if (!ReadSlowAc(copy, *step->codes, at, value)) {
          return false;
        } else if (at >= 63) {
          ++step;
          table = step->first;
          at = 0;
        }
        k = at;
        reader = copy;
        break;
      }
      *step->prediction += static_cast<int16_t>(entry >> 8);
      reader.Skip(static_cast<int>(entry & 255));
      const intptr_t ended = static_cast<intptr_t>(entry >> 63);  // all ones or zeros
      const auto stay = reinterpret_cast<intptr_t>(step->ac), go = reinterpret_cast<intptr_t>(step[1].first);
      table = reinterpret_cast<const int32_t*>(stay ^ ((stay ^ go) & ended));
      k = next & static_cast<int>(~ended);
      step -= ended;
    }
  }
}

/// Reads blocks' coefficients. The first of each is its DC difference.
/// @param coefficients [64·(blocks + 1)] zeros but for each block's first     @param last  gets the index of each block's last coefficient, or more
SIAM_INLINE bool ReadRun(BitReader& bits, const RunStep<int64_t>* step, const RunStep<int64_t>* end, int16_t* coefficients, uint8_t* last) {
  static_assert(4 * kReadBits <= 56, "bits of a refill");
  BitReader reader = bits;
  const int64_t* table = step->first;
  int k = 0;
  for (;;) {
    reader.Refill();
    for (int i = 0; i < 4; ++i) {
      const int64_t entry = table[reader.Peek(kReadBits)];
      const int next = k + static_cast<int>(entry >> 56 & 63);
      if (__builtin_expect(next >= 63, 0)) {
        if (step == end) {
          bits = reader;
          return true;
        }
        BitReader copy = reader;
        int value = 0, at = k;
        if (table != step->ac) {
          if (!ReadSlowDc(copy, *step->codes, value)) return false;
          coefficients[0] = static_cast<int16_t>(value);
          table = step->ac;
          *last = 0;
        } else {
          if (!ReadSlowAc(copy, *step->codes, at, value)) return false;
          if (at <= 63) {
            coefficients[kBlockPlaces[at]] = static_cast<int16_t>(value);
            *last = static_cast<uint8_t>(at);
          }
          if (at >= 63) {
            ++step;
            ++last;
            coefficients += 64;
            table = step->first;
            at = 0;
          }
        }
        k = at;
        reader = copy;
        break;
      }
      coefficients[kBlockPlaces[k + (entry >> 8 & 255)]] = static_cast<int16_t>(entry >> 16);
      coefficients[kBlockPlaces[k + (entry >> 32 & 255)]] = static_cast<int16_t>(entry >> 40);
      *last = static_cast<uint8_t>(next);
      reader.Skip(static_cast<int>(entry & 255));
      const intptr_t ended = static_cast<intptr_t>(entry >> 63);
      const auto stay = reinterpret_cast<intptr_t>(step->ac), go = reinterpret_cast<intptr_t>(step[1].first);
      table = reinterpret_cast<const int64_t*>(stay ^ ((stay ^ go) & ended));
      k = next & static_cast<int>(~ended);
      coefficients += 64 & ended;
      last -= ended;
      step -= ended;
    }
  }
}

}  // namespace siam::data::jpeg
