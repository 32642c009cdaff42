// Writing the shards and the table of a pack. lib/data/pack decides what is packed, where, and in how many shards.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bad_frame.h"
#include "pack_job.h"
#include "picture_maker.h"
#include "shard_check.h"
#include "shard_rows.h"
#include "table_rows.h"

namespace siam::data {

struct PackWriterConfig {
  std::string folder;       ///< of the finished files
  std::string work_folder;  ///< of what only an unfinished pack has: the rows of each shard
  uint32_t shards = 1;
  int threads = 1;
  bool strict = false;      ///< true: the first frame that cannot be used ends the job
  uint64_t max_bad = UINT64_MAX;  ///< more frames that cannot be used end the job: it is the data that are not there, not some frames
  PackConfig picture;
};

/// What is known of a shard that is complete.
struct ShardResult {
  uint64_t bytes = 0;
  uint64_t entries = 0;
  uint64_t bad = 0;
  bool reused = false;              ///< an earlier run had completed it
  std::vector<BadFrame> bad_frames; ///< kMaxBadKept at most
};

/// Each thread writes whole shards. A shard is made under a temporary name; its rows are written when it is on the disk, so that a shard with rows
/// is complete, whatever happens. A complete shard in which frames are missing is made anew all the same: they may be there now. What is in a shard depends on its number and the configuration alone: not on threads, nor on interruptions.
class PackWriter {
 public:
  static constexpr size_t kMaxBadKept = 1000;

  /// @param frames  where the frames are     @param members  the pack's own index: the same sequences, whose paths are the members' names
  PackWriter(std::shared_ptr<const DatasetIndex> frames, std::shared_ptr<const DatasetIndex> members, PackWriterConfig config);

  /// Writes the shards that are not complete, and then the table. See PackJob::Start. Once only.
  void Start(PackJob::Done done) {
    job_.Start([this] { WriteTable(); }, std::move(done));
  }
  PackJob& job() { return job_; }

  /// When the job is done.
  const std::vector<ShardResult>& shards() const { return results_; }
  uint64_t table_bytes() const { return table_bytes_; }
  const MemberNames& names() const { return names_; }

 private:
  struct Rows {
    uint64_t first, count;
  };
  Rows RowsOf(uint64_t shard) const;
  std::string ShardPath(size_t shard) const;
  std::string RowsPath(size_t shard) const;
  void Shard(PackJob& job, PictureMaker& maker, size_t shard);
  std::optional<ShardRows> KnownRows(size_t shard);
  bool Reuse(PackJob& job, size_t shard);
  void CountBad(PackJob& job, const BadFrame& bad);
  void Write(PackJob& job, PictureMaker& maker, size_t shard);
  void WriteTable();

  const std::shared_ptr<const DatasetIndex> frames_;
  const PackWriterConfig config_;
  const MemberNames names_;
  std::vector<ShardResult> results_;
  uint64_t table_bytes_ = 0;
  TableRows old_table_;
  std::mutex bad_mutex_;
  std::optional<BadFrame> first_bad_;
  PackJob job_;  // last: its threads use everything above
};

}  // namespace siam::data
