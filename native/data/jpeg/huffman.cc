#include "huffman.h"

#include <algorithm>

namespace siam::data::jpeg {
namespace {

/// Calls `add(code, length, symbol)` for every code, in order.
template <typename Add>
void ForEachCode(const HuffmanCodes& codes, Add add) {
  uint32_t code = 0;
  size_t at = 0;
  for (int length = 1; length <= 16; ++length, code <<= 1) {
    for (int i = 0; i < codes.counts[length - 1]; ++i, ++code, ++at) add(code, length, codes.symbols[at]);
  }
}

/// Fills the lookups of a code and its extra bits. @param entry(value) what to store for each value
template <typename Table, typename Entry>
void FillValues(Table& table, int lookup_bits, uint32_t code, int length, int size, Entry entry) {
  const int free_bits = lookup_bits - length - size;
  if (free_bits < 0) return;
  auto* out = table.data() + (static_cast<size_t>(code) << (size + free_bits));
  const int count = 1 << size, half = count >> 1;
  for (int bits = 0; bits < count; ++bits, out += static_cast<size_t>(1) << free_bits) {
    std::fill_n(out, static_cast<size_t>(1) << free_bits, entry(bits < half ? bits - count + 1 : bits));
  }
}

int32_t Pack(int bits, int advance, int value) {
  return static_cast<int32_t>(static_cast<uint32_t>(value) << 16 | static_cast<uint32_t>(advance) << 8 | static_cast<uint32_t>(bits));
}

}  // namespace

bool CanonicalCodes::Build(const HuffmanCodes& codes) {
  symbols_ = codes.symbols;
  int32_t code = 0, at = 0;
  for (int length = 1; length <= 16; ++length) {
    offset_[length] = at - code;
    code += codes.counts[length - 1];
    at += codes.counts[length - 1];
    if (code >= 1 << length) return false;  // the code of all ones is kept free
    end_[length] = code << (16 - length);
    code <<= 1;
  }
  return true;
}

int CanonicalCodes::Read(BitReader& reader) const {
  const int32_t word = static_cast<int32_t>(reader.Peek(16));
  for (int length = 1; length <= 16; ++length) {
    if (word >= end_[length]) continue;
    reader.Skip(length);
    return symbols_[static_cast<size_t>((word >> (16 - length)) + offset_[length])];
  }
  return -1;
}

bool DcTable::Build(const HuffmanCodes& from) {
  if (!codes.Build(from)) return false;
  lookup.fill(0);
  bool good = true;
  ForEachCode(from, [&](uint32_t code, int length, int size) {
    if (size > 15) {
      good = false;
    } else {
      FillValues(lookup, kDcBits, code, length, size, [&](int value) { return Pack(length + size, 0, size == 0 ? 0 : value); });
    }
  });
  return good;
}

bool AcTable::Build(const HuffmanCodes& from) {
  if (!codes.Build(from)) return false;
  lookup.fill(Pack(0, kNoEntry, 0));
  ForEachCode(from, [&](uint32_t code, int length, int symbol) {
    const int run = symbol >> 4, size = symbol & 15;
    if (symbol == 0) {
      FillValues(lookup, kAcBits, code, length, 0, [&](int) { return Pack(length, kEndOfBlock, 0); });
    } else if (size != 0 || run == 15) {
      FillValues(lookup, kAcBits, code, length, size, [&](int value) { return Pack(length + size, run + 1, size == 0 ? 0 : value); });
    }
  });
  return true;
}

void SkipTable::Build(const AcTable& table) {
  static_assert(kSkipBits >= kAcBits && kSkipBits < 16, "the bits to skip have four bits");
  for (uint32_t word = 0; word < lookup.size(); ++word) {
    int used = 0, advance = 0;
    while (advance < 63) {
      const uint32_t ahead = (word << used) & ((1u << kSkipBits) - 1);
      const int32_t entry = table.lookup[ahead >> (kSkipBits - kAcBits)];
      const int bits = entry & 255, step = entry >> 8 & 255;
      if (step == kNoEntry || used + bits > kSkipBits) break;
      used += bits;
      advance += step;
      if (step == kEndOfBlock) break;
    }
    lookup[word] = static_cast<uint16_t>(used | advance << 4);
  }
}

}  // namespace siam::data::jpeg
