// Minimum coded units of JPEGs.
#pragma once

namespace siam::data {

/// Pixels of a minimum coded unit.
struct McuSize {
  int width = 0;
  int height = 0;
};

/// @returns the MCU of a tj::kSubsampling… value; 0 × 0 where frames cannot be decoded in part
constexpr McuSize McuOf(int subsampling) {
  constexpr McuSize kSizes[] = {{8, 8}, {16, 8}, {16, 16}, {8, 8}, {8, 16}, {32, 8}, {8, 32}};
  return subsampling >= 0 && subsampling < 7 ? kSizes[subsampling] : McuSize{};
}

}  // namespace siam::data
