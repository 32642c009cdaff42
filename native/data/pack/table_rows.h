// The rows of a pack that was finished once, for the shards of it that are kept when others are made anew.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "pack_file.h"

namespace siam::data {

/// Thread-safe. The table is checked from end to end before the first of its rows is given.
class TableRows {
 public:
  /// @param rows  that it must have
  TableRows(std::string path, uint64_t rows) : path_(std::move(path)), rows_(rows) {}

  /// @returns nothing when there is no such table, it is damaged, or it has another number of rows
  std::optional<std::vector<PackRow>> Read(uint64_t first, uint64_t count);

 private:
  bool Sound() const;

  const std::string path_;
  const uint64_t rows_;
  std::once_flag checked_;
  bool sound_ = false;
};

}  // namespace siam::data
