// What stands before a JPEG's entropy-coded data, for the one kind of file that our decoder takes: baseline, 8 bits, gray or YCbCr, one
// scan. Whatever is unusual or wrong is not judged here but left to libjpeg-turbo.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace siam::data::jpeg {

struct ComponentHeader {
  int id = 0;
  int h = 1, v = 1;  ///< sampling factors
  int quant_table = 0;
  int dc_table = 0, ac_table = 0;
};

/// A Huffman table as it is written in the file: how many codes there are of each length 1..16, and their symbols in order.
struct HuffmanCodes {
  std::array<uint8_t, 16> counts{};
  std::array<uint8_t, 256> symbols{};  ///< zeros behind the last one

  int Count() const {
    int total = 0;
    for (const uint8_t count : counts) total += count;
    return total;
  }
  bool operator==(const HuffmanCodes& o) const { return counts == o.counts && symbols == o.symbols; }
};

struct Header {
  int width = 0, height = 0;
  int components = 0;  ///< 1: gray, 3: YCbCr
  std::array<ComponentHeader, 3> component;
  std::array<std::array<uint16_t, 64>, 4> quant{};  ///< each where CoefficientPlace says
  std::array<HuffmanCodes, 4> dc{}, ac{};
  int restart_interval = 0;  ///< MCUs between restart markers, 0: none
  size_t data_begin = 0;     ///< of the entropy-coded data
};

/// Where the coefficient that is the i-th in zigzag order is kept: CoefficientPlace of its row and column.
extern const std::array<uint8_t, 64> kPlaceOfZigzag;

/// @returns whether the file is one that our decoder takes, with nothing in its header that libjpeg-turbo would warn about
bool ReadHeader(const uint8_t* data, size_t size, Header& header);

}  // namespace siam::data::jpeg
