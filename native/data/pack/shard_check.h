// What a shard must look like, byte for byte, given its rows of the table and its members' names.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../index.h"
#include "pack_file.h"

namespace siam::data {

/// Names of a pack's members, in the order of the table's rows.
class MemberNames {
 public:
  /// @param index  the pack's own: its paths are the members' names
  explicit MemberNames(std::shared_ptr<const DatasetIndex> index) : index_(std::move(index)) {}

  uint64_t rows() const { return index_->rows(); }
  /// Sequence of a row, and frame in it.
  DatasetIndex::Place PlaceOf(uint64_t row) const { return index_->AtRow(row); }
  /// Objects of a still picture beyond the first have a number: NAME~1.jpg.
  std::string Name(uint64_t row) const;

 private:
  const std::shared_ptr<const DatasetIndex> index_;
};

/// Something that is wrong with a shard.
struct ShardProblem {
  std::string member;  ///< empty: the shard as a whole
  std::string message;
};

/// Reads a shard once from end to end and compares all of its bytes: headers and zeros with what they must be, pictures with their checksums.
/// @param first_row  of the shard     @param rows  its rows     @param tick  called after each row; throws to stop
/// @throws ERR_IO when the shard cannot be read
void CheckShard(const std::string& path, const MemberNames& names, uint64_t first_row, const std::vector<PackRow>& rows,
                const std::function<void()>& tick, const std::function<void(ShardProblem)>& report);

}  // namespace siam::data
