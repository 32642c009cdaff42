// The first bytes of a pack's table; pack_file.cc reads them.
#pragma once

#include <cstdint>
#include <cstring>

#include "../crc32c.h"
#include "pack_file.h"

namespace siam::data {

struct PackTableHeader {
  char magic[8] = {'S', 'I', 'A', 'M', 'P', 'A', 'K', '\n'};
  uint32_t version = 1;
  uint32_t flags = 0;
  uint64_t rows = 0;
  uint32_t rows_crc = 0;  ///< CRC-32C of all rows
  char reserved[32] = {};
  uint32_t crc = 0;       ///< of all before it

  PackTableHeader(uint64_t row_count, uint32_t crc_of_rows) : rows(row_count), rows_crc(crc_of_rows) { crc = Crc32c(this, sizeof(*this) - 4); }
};
static_assert(sizeof(PackTableHeader) == sizeof(PackRow), "the header is as long as a row");

}  // namespace siam::data
