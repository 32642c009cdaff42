// Means kept beside a cached index (docs/data-index.md has the format).
#pragma once

#include <cstdint>
#include <string>

#include "mean_table.h"

namespace siam::data {

/// Which index the rows of a table are those of: a file made for another one is not used.
struct MeanIdentity {
  uint64_t index_bytes = 0;
  uint32_t index_crc = 0;  ///< of the index's header, which holds the checksums of all its parts
};

/// Reads a file's means into the table, where it has none.
/// @returns how many; 0 where there is no file, or one of another index
/// @throws ERR_IO when it cannot be read, ERR_DATA with the reason when it is damaged; the table is then as it was
uint64_t LoadMeans(const std::string& path, const MeanIdentity& identity, MeanTable& table);

struct SavedMeans {
  uint64_t known = 0;  ///< means in the file now
  uint64_t added = 0;  ///< of them, new since it was read
};

/// Writes all means to a temporary and renames it, after taking over what another process wrote meanwhile.
/// @param lock_path  a file that is there; processes that save at the same time wait for each other on it
/// @throws ERR_IO when it cannot be written
SavedMeans SaveMeans(const std::string& path, const std::string& lock_path, const MeanIdentity& identity, MeanTable& table);

}  // namespace siam::data
