#include "huffman.h"

#include <algorithm>

namespace siam::data::jpeg {
namespace {

/// A symbol with the bits behind it, as far as a lookup's bits hold them.
struct Symbol {
  int16_t value = 0;
  uint8_t bits = 0;  ///< code and extra bits; 0: they are not all there
  uint8_t run = 0;   ///< of an AC symbol; kEnd: the block ends
};

constexpr uint8_t kEnd = 255;

template <int kBits>
using SymbolTable = std::array<Symbol, 1 << kBits>;

/// @param ac  the symbols are runs and sizes, else sizes
template <int kBits>
void FillSymbols(const HuffmanCodes& codes, bool ac, SymbolTable<kBits>& table) {
  table.fill({});
  uint32_t code = 0;
  size_t at = 0;
  for (int length = 1; length <= kBits; ++length, code <<= 1) {
    for (int i = 0; i < codes.counts[length - 1]; ++i, ++code, ++at) {
      const int symbol = codes.symbols[at], size = ac ? symbol & 15 : symbol, run = ac ? symbol >> 4 : 0;
      const int free_bits = kBits - length - size;
      if (free_bits < 0 || (ac && size == 0 && run != 0 && run != 15)) continue;
      Symbol* out = table.data() + (static_cast<size_t>(code) << (size + free_bits));
      const int count = 1 << size, half = count >> 1;
      for (int bits = 0; bits < count; ++bits, out += size_t{1} << free_bits) {
        const int value = size == 0 ? 0 : bits < half ? bits - count + 1 : bits;
        const Symbol entry{static_cast<int16_t>(value), static_cast<uint8_t>(length + size), ac && symbol == 0 ? kEnd : static_cast<uint8_t>(run)};
        std::fill_n(out, size_t{1} << free_bits, entry);
      }
    }
  }
}

/// The symbol that comes after `used` of a lookup's bits; none where bits are missing.
template <int kBits>
Symbol After(const SymbolTable<kBits>& table, uint32_t word, int used) {
  const Symbol symbol = table[(word << used) & ((1u << kBits) - 1)];
  return used + symbol.bits <= kBits ? symbol : Symbol{};
}

int32_t PassEntry(const SymbolTable<kPassBits>& ac, uint32_t word, int used, int difference) {
  uint32_t k = 0, end = 0;
  while (k < kSlow && end == 0) {
    const Symbol symbol = After<kPassBits>(ac, word, used);
    if (symbol.bits == 0) break;
    used += symbol.bits;
    if (symbol.run == kEnd) {
      end = 1;
    } else {
      k += symbol.run + 1u;
    }
  }
  if (used == 0) k = kSlow;
  return static_cast<int32_t>(end << 31 | std::min<uint32_t>(k, kSlow) << 24 | (static_cast<uint32_t>(difference) & 0xFFFF) << 8 | static_cast<uint32_t>(used));
}

/// @param used, count, at, value  what the entry begins with: bits, and a DC difference as its first coefficient
int64_t ReadEntry(const SymbolTable<kReadBits>& ac, uint32_t word, int used, bool dc, int difference) {
  uint64_t at[2] = {kNowhere, kNowhere}, value[2] = {0, 0}, k = 0, end = 0;
  int count = 0;
  if (dc) {
    at[0] = 0;
    value[0] = static_cast<uint16_t>(difference);
    count = 1;
  }
  for (;;) {
    const Symbol symbol = After<kReadBits>(ac, word, used);
    if (symbol.bits == 0 || (symbol.run != kEnd && count == 2)) break;
    used += symbol.bits;
    if (symbol.run == kEnd) {
      end = 1;
      break;
    }
    k += symbol.run + 1u;
    if (symbol.value == 0) continue;  // sixteen zeros
    at[count] = k;
    value[count++] = static_cast<uint16_t>(symbol.value);
    if (k >= kSlow) break;
  }
  if (used == 0) k = kSlow;
  return static_cast<int64_t>(end << 63 | std::min<uint64_t>(k, kSlow) << 56 | value[1] << 40 | at[1] << 32 | value[0] << 16 | at[0] << 8 |
                              static_cast<uint64_t>(used));
}

constexpr int32_t kSlowPass = kSlow << 24;
constexpr int64_t kSlowRead = static_cast<int64_t>(kSlow) << 56 | static_cast<int64_t>(kNowhere) << 32 | kNowhere << 8;

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

bool BlockCodes::Build(const HuffmanCodes& from_dc, const HuffmanCodes& from_ac) {
  dc_codes = from_dc;
  ac_codes = from_ac;
  pass.reset();
  const auto too_large = [](uint8_t size) { return size > 15; };
  if (!dc.Build(dc_codes) || !ac.Build(ac_codes) || std::any_of(dc_codes.symbols.begin(), dc_codes.symbols.end(), too_large)) return false;
  SymbolTable<kReadBits> dc_symbols, ac_symbols;
  FillSymbols<kReadBits>(dc_codes, false, dc_symbols);
  FillSymbols<kReadBits>(ac_codes, true, ac_symbols);
  for (uint32_t word = 0; word < read.ac.size(); ++word) {
    const Symbol symbol = dc_symbols[word];
    read.ac[word] = ReadEntry(ac_symbols, word, 0, false, 0);
    read.first[word] = symbol.bits == 0 ? kSlowRead : ReadEntry(ac_symbols, word, symbol.bits, true, symbol.value);
  }
  return true;
}

void BlockCodes::BuildPass() {
  pass = std::make_unique<PassTable>();
  SymbolTable<kPassBits> dc_symbols, ac_symbols;
  FillSymbols<kPassBits>(dc_codes, false, dc_symbols);
  FillSymbols<kPassBits>(ac_codes, true, ac_symbols);
  for (uint32_t word = 0; word < pass->ac.size(); ++word) {
    const Symbol symbol = dc_symbols[word];
    pass->ac[word] = PassEntry(ac_symbols, word, 0, 0);
    pass->first[word] = symbol.bits == 0 ? kSlowPass : PassEntry(ac_symbols, word, symbol.bits, symbol.value);
  }
}

BlockCodes* BlockCodesCache::Get(const HuffmanCodes& dc, const HuffmanCodes& ac) {
  constexpr size_t kEntries = 8;
  auto found = std::find_if(entries_.begin(), entries_.end(), [&](const auto& entry) { return entry->dc_codes == dc && entry->ac_codes == ac; });
  if (found == entries_.end()) {
    if (entries_.size() < kEntries) entries_.push_back(std::make_unique<BlockCodes>());
    found = entries_.end() - 1;
    if (!(*found)->Build(dc, ac)) {
      entries_.erase(found);
      return nullptr;
    }
  }
  std::rotate(entries_.begin(), found, found + 1);
  return entries_.front().get();
}

}  // namespace siam::data::jpeg
