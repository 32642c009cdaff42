// The limit that decoding sets: the regions that a loader's samples need, decoded from memory and nothing else. No reading, no warp, no
// labels, no queue. What a loader makes of it is its share of that limit.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "frame_store.h"
#include "sample_maker.h"

namespace siam::data {

struct DecodeLimitRun {
  uint64_t pairs = 0;    ///< whose regions were decoded
  uint64_t regions = 0;
  uint64_t wall = 0;     ///< nanoseconds from the start of the first thread to the end of the last
  uint64_t cpu = 0;      ///< nanoseconds that the threads had on a core, all together
};

class DecodeLimit {
 public:
  /// Draws the samples [first, first + count) of an epoch as a loader does, and keeps the frames that they need in memory. Bad ones are left out.
  /// Every region is the one that a later epoch needs, when the means of frames are known.
  /// @throws ERR_DATA when none of the samples is good
  DecodeLimit(std::shared_ptr<const PairSampler> sampler, std::shared_ptr<FrameStore> store, SampleConfig config, uint32_t epoch, uint32_t first,
              uint32_t count);

  /// Decodes the samples' regions over and over for `seconds`, each sample at least once by somebody. Blocks.
  /// @throws ERR_SETUP when the system gives fewer threads
  DecodeLimitRun Run(int threads, double seconds) const;

 private:
  std::vector<std::vector<DecodeJob>> samples_;
};

}  // namespace siam::data
