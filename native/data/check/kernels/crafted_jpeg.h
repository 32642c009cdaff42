// Gray JPEGs with any coefficients and quantisation: also such as no encoder writes.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace siam::data::jpeg {

using Block = std::array<int16_t, 64>;

/// A baseline file of `across` blocks a row. @param blocks  in row order of coefficients, a multiple of `across`; AC values of -32768
/// cannot be written     @param quant  in row order, 16 bits
std::vector<uint8_t> CraftGrayJpeg(const std::vector<Block>& blocks, int across, const std::array<uint16_t, 64>& quant);

}  // namespace siam::data::jpeg
