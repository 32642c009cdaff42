#include "shard_rows.h"

#include <cstring>

#include "../../base/error.h"
#include "../crc32c.h"
#include "../file.h"
#include "out_file.h"

namespace siam::data {
namespace {

constexpr char kMagic[8] = {'S', 'I', 'A', 'M', 'R', 'O', 'W', '\n'};
constexpr uint32_t kVersion = 2;

/// Before the rows.
struct Header {
  char magic[8];
  uint32_t version;
  uint32_t shard;
  uint64_t first_row;
  uint64_t rows;
  uint64_t shard_bytes;
  uint32_t rows_crc;
  char reserved[16];
  uint32_t crc;  ///< of all before it
};
static_assert(sizeof(Header) == 64, "it is in files");

}  // namespace

void WriteShardRows(const std::string& path, uint32_t shard, uint64_t first_row, const ShardRows& rows) {
  const size_t row_bytes = rows.rows.size() * sizeof(PackRow);
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.version = kVersion;
  header.shard = shard;
  header.first_row = first_row;
  header.rows = rows.rows.size();
  header.shard_bytes = rows.shard_bytes;
  header.rows_crc = Crc32c(rows.rows.data(), row_bytes);
  header.crc = Crc32c(&header, sizeof header - 4);
  OutFile file(path);
  file.Write(&header, sizeof header);
  file.Write(rows.rows.data(), row_bytes);
  file.Commit();
}

std::optional<ShardRows> ReadShardRows(const std::string& path, uint32_t shard, uint64_t first_row, uint64_t count) {
  std::vector<uint8_t> bytes;
  size_t size;
  try {
    size = ReadFile(path, bytes);
  } catch (const SiamException&) {
    return std::nullopt;
  }
  Header header;
  const size_t row_bytes = count * sizeof(PackRow);
  if (size != sizeof header + row_bytes) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) return std::nullopt;
  if (Crc32c(&header, sizeof header - 4) != header.crc || header.version != kVersion) return std::nullopt;
  if (header.shard != shard || header.first_row != first_row || header.rows != count) return std::nullopt;
  if (Crc32c(bytes.data() + sizeof header, row_bytes) != header.rows_crc) return std::nullopt;
  ShardRows read;
  read.shard_bytes = header.shard_bytes;
  read.rows.resize(count);
  if (row_bytes > 0) std::memcpy(read.rows.data(), bytes.data() + sizeof header, row_bytes);
  return read;
}

}  // namespace siam::data
