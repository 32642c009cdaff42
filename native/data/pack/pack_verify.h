// Looking at every byte of a pack.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pack_file.h"
#include "pack_job.h"
#include "shard_check.h"

namespace siam::data {

class PackVerifier {
 public:
  struct Problem {
    std::string shard;   ///< path
    ShardProblem what;
  };

  /// Reads the table and checks it. A shard that is missing or of another size is found later, by its task.
  /// @param entries  pictures of each shard, as the manifest says     @param members  the pack's index
  /// @param keep  how many problems are kept with their text; all are counted
  /// @throws ERR_IO when the table cannot be read, ERR_DATA when it is damaged or fits neither index nor manifest
  PackVerifier(const std::string& table, std::vector<PackShard> shards, const std::vector<uint64_t>& entries, std::shared_ptr<const DatasetIndex> members,
               int threads, size_t keep);

  void Start(PackJob::Done done) {
    job_.Start([] {}, std::move(done));
  }
  PackJob& job() { return job_; }

  /// When the job is done: in the order of shards and members, `keep` at most.
  std::vector<Problem> problems() const;
  uint64_t problem_count() const;
  /// Of those, the ones that are of a member and not of a shard as a whole.
  uint64_t member_problem_count() const;

 private:
  struct Part {
    uint64_t first = 0, count = 0;
    std::vector<ShardProblem> problems;
    uint64_t problem_count = 0, member_problem_count = 0;
  };
  void ReadTable(const std::vector<uint64_t>& entries);
  void Verify(size_t shard);
  std::vector<PackRow> RowsOf(const Part& part) const;

  const std::string table_;
  const std::vector<PackShard> shards_;
  const MemberNames names_;
  const size_t keep_;
  std::vector<Part> parts_;
  PackJob job_;  // last: its threads use everything above
};

}  // namespace siam::data
