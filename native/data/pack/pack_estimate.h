// What a pack will take, from some frames of the data set.
#pragma once

#include <memory>
#include <vector>

#include "bad_frame.h"
#include "pack_job.h"
#include "picture_maker.h"
#include "shard_check.h"

namespace siam::data {

class PackEstimate {
 public:
  struct Sample {
    uint64_t row = 0;
    bool usable = false;
    bool copied = false;
    uint64_t bytes = 0;        ///< in the shard, with the header and zeros
    uint64_t frame_bytes = 0;  ///< of the frame's own file
    double cpu_seconds = 0;    ///< of the thread that made it
    int width = 0, height = 0; ///< of the picture
    BadFrame bad;              ///< where it is not usable
  };

  /// The middle of each of as many parts of `rows` rows.
  static std::vector<uint64_t> EvenlySpread(uint64_t rows, uint64_t samples);

  /// @param rows  that are looked at     @throws ERR_ARGUMENT when there is no such row
  PackEstimate(std::shared_ptr<const DatasetIndex> frames, std::shared_ptr<const DatasetIndex> members, PackConfig config, const std::vector<uint64_t>& rows,
               int threads);

  void Start(PackJob::Done done) {
    job_.Start([] {}, std::move(done));
  }
  PackJob& job() { return job_; }

  /// When the job is done: in the order of the rows.
  const std::vector<Sample>& samples() const { return samples_; }
  const MemberNames& names() const { return names_; }

 private:
  void Look(PictureMaker& maker, size_t number);

  const std::shared_ptr<const DatasetIndex> frames_;
  const PackConfig config_;
  const MemberNames names_;
  std::vector<Sample> samples_;
  PackJob job_;  // last: its threads use everything above
};

}  // namespace siam::data
