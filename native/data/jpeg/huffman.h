// Huffman codes: one at a time, and in tables of which a lookup gives all that its bits hold of a block.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "bit_reader.h"
#include "header.h"

namespace siam::data::jpeg {

/// Reads the `size` bits behind a code. @param size 0..15     @returns the number that they stand for
inline int ReadExtra(BitReader& reader, int size) {
  if (size == 0) return 0;
  const int bits = static_cast<int>(reader.Peek(size));
  reader.Skip(size);
  return bits < (1 << (size - 1)) ? bits - (1 << size) + 1 : bits;
}

/// Codes in the way that the standard decodes them; for those that a lookup does not hold.
class CanonicalCodes {
 public:
  /// @returns false when the lengths make no prefix code
  bool Build(const HuffmanCodes& codes);

  /// Reads a code of any length. @returns its symbol, or -1 where there is no such code. The reader must hold 16 bits.
  int Read(BitReader& reader) const;

 private:
  std::array<int32_t, 17> end_{};     ///< first 16-bit word behind the codes of each length
  std::array<int32_t, 17> offset_{};  ///< from a code to its place in symbols_
  std::array<uint8_t, 256> symbols_{};
};

/// Bits that a lookup looks at.
constexpr int kPassBits = 12;
constexpr int kReadBits = 11;

// An entry's k is how far it moves the zigzag index of the last coefficient. This one says: nothing that a lookup can do.
constexpr int kSlow = 63;
// Where an entry has fewer than two coefficients, this is the place of the others (see BlockPlaces).
constexpr int kNowhere = 128;

/// For blocks that nobody looks at: as many symbols as the bits hold.
///   0–7 bits to skip | 8–23 DC difference, signed | 24–29 k | 31 the block ends
struct PassTable {
  std::array<int32_t, 1 << kPassBits> first;  ///< a block begins: its DC symbol and more
  std::array<int32_t, 1 << kPassBits> ac;
};

/// Two coefficients at most, and the end of the block behind them.
///   0–7 bits to skip | 8–15 and 32–39 how far each one is behind the last coefficient, or kNowhere | 16–31 and 40–55 their values | 56–61 k |
///   63 the block ends
struct ReadTable {
  std::array<int64_t, 1 << kReadBits> first;  ///< the DC difference counts as a coefficient
  std::array<int64_t, 1 << kReadBits> ac;
};

/// What a component's blocks are decoded with.
struct BlockCodes {
  HuffmanCodes dc_codes, ac_codes;
  CanonicalCodes dc, ac;
  ReadTable read;
  std::unique_ptr<PassTable> pass;  ///< made when it is first needed

  /// @returns false when the codes are bad
  bool Build(const HuffmanCodes& dc_codes, const HuffmanCodes& ac_codes);
  void BuildPass();
};

/// The codes that were used last: most frames of a data set have the same ones.
class BlockCodesCache {
 public:
  /// @returns the tables, or nullptr when the codes are bad; valid until a third call from now
  BlockCodes* Get(const HuffmanCodes& dc, const HuffmanCodes& ac);

 private:
  std::vector<std::unique_ptr<BlockCodes>> entries_;  ///< last used first
};

}  // namespace siam::data::jpeg
