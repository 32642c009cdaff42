// What a pack stores for one frame: a row of its table.
#pragma once

#include <cstdint>

#include "../image.h"

namespace siam::data {

/// A row as it is in the file, little endian (lib/data/pack/format.ts has the same).
struct PackRow {
  uint64_t offset = 0;        ///< of the JPEG's first byte in its shard
  uint32_t bytes = 0;         ///< of the JPEG; 0: nothing is stored, because the frame was bad
  uint32_t crc = 0;           ///< CRC-32C of the JPEG
  uint32_t shard = 0;
  uint32_t frame_width = 0;   ///< of the frame that the picture was cut from
  uint32_t frame_height = 0;
  uint32_t mean = 0;          ///< truncated mean of the whole frame, 0xFFrrggbb
  PixelGrid grid;             ///< from the stored picture's pixels to the frame's

  Bgr Mean() const { return {static_cast<uint8_t>(mean), static_cast<uint8_t>(mean >> 8), static_cast<uint8_t>(mean >> 16)}; }
};
static_assert(sizeof(PackRow) == 64 && sizeof(PixelGrid) == 32, "rows are in files");

}  // namespace siam::data
