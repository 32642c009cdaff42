// The rows of one complete shard, as a file of a pack that is not finished.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pack_file.h"

namespace siam::data {

struct ShardRows {
  std::vector<PackRow> rows;
  uint64_t shard_bytes = 0;
};

/// @throws ERR_IO
void WriteShardRows(const std::string& path, uint32_t shard, uint64_t first_row, const ShardRows& rows);

/// @returns nothing when there is no such file, it is damaged, or it is about other rows: the shard is then to be written
std::optional<ShardRows> ReadShardRows(const std::string& path, uint32_t shard, uint64_t first_row, uint64_t count);

}  // namespace siam::data
