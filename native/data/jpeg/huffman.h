// Huffman tables made for reading: most lookups give a code, the bits behind it and what they mean at once.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "bit_reader.h"
#include "header.h"

namespace siam::data::jpeg {

/// Bits that a lookup looks at.
constexpr int kDcBits = 10;
constexpr int kAcBits = 11;
constexpr int kSkipBits = 12;

/// Codes in the way that the standard decodes them; for those that the lookups do not hold.
class CanonicalCodes {
 public:
  /// @returns false when the lengths make no prefix code
  bool Build(const HuffmanCodes& codes);

  /// Reads a code of any length. @returns its symbol, or -1 where there is no such code. The reader must hold 16 bits.
  int Read(BitReader& reader) const;

 private:
  std::array<int32_t, 18> end_{};     ///< first 16-bit word behind the codes of each length
  std::array<int32_t, 17> offset_{};  ///< from a code to its place in symbols_
  std::array<uint8_t, 256> symbols_{};
};

/// Reads the `size` bits behind a code. @param size 0..15     @returns the number that they stand for
inline int ReadExtra(BitReader& reader, int size) {
  if (size == 0) return 0;
  const int bits = static_cast<int>(reader.Peek(size));
  reader.Skip(size);
  return bits < (1 << (size - 1)) ? bits - (1 << size) + 1 : bits;
}

struct DcTable {
  /// Bits to skip | difference << 16; 0 where code and extra bits are longer than the lookup.
  std::array<int32_t, 1 << kDcBits> lookup;
  CanonicalCodes codes;

  bool Build(const HuffmanCodes& codes);
};

// What is added to a block's index by an entry that is no coefficient: the index then says which kind it was.
constexpr int kEndOfBlock = 128;
constexpr int kNoEntry = 255;

struct AcTable {
  /// Bits to skip | run + 1, kEndOfBlock or kNoEntry << 8 | value << 16
  std::array<int32_t, 1 << kAcBits> lookup;
  CanonicalCodes codes;

  bool Build(const HuffmanCodes& codes);
};

/// For blocks that nobody looks at: as many symbols at once as fit into a lookup.
struct SkipTable {
  /// Bits to skip | how far the index goes, plus kEndOfBlock at an end << 4; 0 where not even one symbol fits.
  std::array<uint16_t, 1 << kSkipBits> lookup;

  void Build(const AcTable& table);
};

}  // namespace siam::data::jpeg
