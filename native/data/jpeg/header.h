// What stands before a JPEG's entropy-coded data, for the one kind of file that our decoder takes: baseline, 8 bits, gray or YCbCr, one
// scan. Whatever is unusual or wrong is not judged here but left to libjpeg-turbo.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels.h"

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

/// CoefficientPlace of the i-th coefficient in zigzag order. @tparam kSize  64 or more; the rest are zeros
template <size_t kSize>
constexpr std::array<uint8_t, kSize> PlacesOfZigzag() {
  std::array<uint8_t, kSize> places{};
  int row = 0, column = 0;
  for (size_t i = 0; i < 64; ++i) {
    places[i] = static_cast<uint8_t>(CoefficientPlace(row, column));
    // Along the diagonals, up and down in turn.
    const bool up = (row + column) % 2 == 0;
    if (up && column == 7) {
      ++row;
    } else if (!up && row == 7) {
      ++column;
    } else if (up) {
      ++column;
      if (row > 0) --row;
    } else {
      ++row;
      if (column > 0) --column;
    }
  }
  return places;
}

/// @returns whether the file is one that our decoder takes, with nothing in its header that libjpeg-turbo would warn about
bool ReadHeader(const uint8_t* data, size_t size, Header& header);

}  // namespace siam::data::jpeg
