// The first bytes of a pack's table. lib/data/pack/format.ts has the same numbers.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "../crc32c.h"
#include "pack_file.h"

namespace siam::data {

struct PackTableHeader {
  static constexpr char kMagic[8] = {'S', 'I', 'A', 'M', 'P', 'A', 'K', '\n'};
  static constexpr uint32_t kVersion = 1;

  char magic[8];
  uint32_t version = kVersion;
  uint32_t flags = 0;
  uint64_t rows = 0;
  uint32_t rows_crc = 0;  ///< CRC-32C of all rows
  char reserved[32] = {};
  uint32_t crc = 0;       ///< of all before it

  PackTableHeader(uint64_t row_count, uint32_t crc_of_rows) : rows(row_count), rows_crc(crc_of_rows) {
    std::memcpy(magic, kMagic, sizeof magic);
    crc = Checksum();
  }
  uint32_t Checksum() const { return Crc32c(this, sizeof(*this) - 4); }

  /// What is wrong with a header that was read, or an empty text.
  /// @param bytes  that there were to read
  std::string Problem(size_t bytes) const {
    if (bytes != sizeof(*this) || std::memcmp(magic, kMagic, sizeof magic) != 0) return "Expected a pack's table but it is none";
    if (version != kVersion) return "Expected version " + std::to_string(kVersion) + " of a pack's table but it is of version " + std::to_string(version);
    return Checksum() == crc ? "" : "the header of the pack's table is damaged";
  }
};
static_assert(sizeof(PackTableHeader) == sizeof(PackRow), "the header is as long as a row");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tables are little endian and used as they are");

}  // namespace siam::data
