#include "crafted_jpeg.h"

namespace siam::data::jpeg {
namespace {

/// Row-order position of every zigzag index: along the anti-diagonals, up and down in turn.
std::array<int, 64> Zigzag() {
  std::array<int, 64> order{};
  int k = 0;
  for (int sum = 0; sum < 15; ++sum) {
    for (int i = 0; i <= sum; ++i) {
      const int row = sum % 2 == 0 ? sum - i : i, column = sum - row;
      if (row < 8 && column < 8) order[k++] = row * 8 + column;
    }
  }
  return order;
}

class Writer {
 public:
  void Byte(int value) { bytes.push_back(static_cast<uint8_t>(value)); }

  void Word(int value) {
    Byte(value >> 8);
    Byte(value & 255);
  }

  /// The low `count` bits, first bit first, with a zero byte after each 0xFF.
  void Bits(uint32_t value, int count) {
    for (int i = count - 1; i >= 0; --i) {
      held_ = held_ << 1 | (value >> i & 1);
      if (++held_count_ < 8) continue;
      Byte(held_);
      if (held_ == 255) Byte(0);
      held_ = held_count_ = 0;
    }
  }

  void Flush() {
    while (held_count_ != 0) Bits(1, 1);
  }

  std::vector<uint8_t> bytes;

 private:
  int held_ = 0, held_count_ = 0;
};

int Magnitude(int value) {
  int bits = 0;
  for (int rest = value < 0 ? -value : value; rest != 0; rest >>= 1) ++bits;
  return bits;
}

void WriteValue(Writer& out, int value, int bits) { out.Bits(static_cast<uint32_t>(value < 0 ? value - 1 : value), bits); }

// Codes: the 16 DC symbols have 5 bits each; of the 256 AC symbols the first half has 9 bits, the second 10.
void WriteDcSymbol(Writer& out, int symbol) { out.Bits(static_cast<uint32_t>(symbol), 5); }

void WriteAcSymbol(Writer& out, int symbol) {
  if (symbol < 128) {
    out.Bits(static_cast<uint32_t>(symbol), 9);
  } else {
    out.Bits(static_cast<uint32_t>(symbol - 128 + 256), 10);
  }
}

void WriteHuffmanTables(Writer& out) {
  out.Word(0xFFC4);
  out.Word(2 + 17 + 16);
  out.Byte(0x00);
  for (int length = 1; length <= 16; ++length) out.Byte(length == 5 ? 16 : 0);
  for (int symbol = 0; symbol < 16; ++symbol) out.Byte(symbol);
  out.Word(0xFFC4);
  out.Word(2 + 17 + 256);
  out.Byte(0x10);
  for (int length = 1; length <= 16; ++length) out.Byte(length == 9 || length == 10 ? 128 : 0);
  for (int symbol = 0; symbol < 256; ++symbol) out.Byte(symbol);
}

void WriteBlock(Writer& out, const Block& block, const std::array<int, 64>& zigzag, int16_t& last_dc) {
  // The decoder keeps 16 bits of the sum of differences, so the nearer way round will do; 32768 itself has too many bits.
  int difference = static_cast<int16_t>(static_cast<uint16_t>(block[0] - last_dc));
  if (difference == -32768) ++difference;
  last_dc = static_cast<int16_t>(static_cast<uint16_t>(last_dc + difference));
  WriteDcSymbol(out, Magnitude(difference));
  WriteValue(out, difference, Magnitude(difference));
  int zeros = 0;
  for (int k = 1; k < 64; ++k) {
    const int value = block[zigzag[k]];
    if (value == 0) {
      ++zeros;
      continue;
    }
    for (; zeros > 15; zeros -= 16) WriteAcSymbol(out, 0xF0);
    WriteAcSymbol(out, zeros << 4 | Magnitude(value));
    WriteValue(out, value, Magnitude(value));
    zeros = 0;
  }
  if (zeros != 0) WriteAcSymbol(out, 0x00);
}

}  // namespace

std::vector<uint8_t> CraftGrayJpeg(const std::vector<Block>& blocks, int across, const std::array<uint16_t, 64>& quant) {
  const std::array<int, 64> zigzag = Zigzag();
  Writer out;
  out.Word(0xFFD8);
  out.Word(0xFFDB);
  out.Word(2 + 1 + 128);
  out.Byte(0x10);
  for (const int at : zigzag) out.Word(quant[at]);
  out.Word(0xFFC1);  // extended sequential, which allows 16-bit quantisation
  out.Word(11);
  out.Byte(8);
  out.Word(static_cast<int>(blocks.size()) / across * 8);
  out.Word(across * 8);
  for (const int byte : {1, 1, 0x11, 0}) out.Byte(byte);
  WriteHuffmanTables(out);
  out.Word(0xFFDA);
  out.Word(8);
  for (const int byte : {1, 1, 0x00, 0, 63, 0}) out.Byte(byte);
  int16_t last_dc = 0;
  for (const Block& block : blocks) WriteBlock(out, block, zigzag, last_dc);
  out.Flush();
  out.Word(0xFFD9);
  return out.bytes;
}

}  // namespace siam::data::jpeg
