// One sample, from (epoch, sample, attempt) to pixels and labels. Owned by one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "frame_decoder.h"
#include "frame_store.h"
#include "pack/pack_file.h"
#include "sampler.h"
#include "target.h"
#include "warp.h"

namespace siam::data {

/// Where a sample's parts go; each points at the sample's own part of a batch.
struct SampleOutput {
  uint8_t* im_z = nullptr;      ///< [3,Z,Z] BGR
  uint8_t* im_x = nullptr;      ///< [3,X,X] BGR
  float* bbox_z = nullptr;      ///< [4]
  float* bbox_x = nullptr;      ///< [4]
  float* cls = nullptr;         ///< [S²]
  float* ctr = nullptr;         ///< [S²]
  float* box = nullptr;         ///< [S²,4]
  int64_t* negative = nullptr;  ///< [1]
};

/// Where the time of one or many samples went, in nanoseconds.
struct SampleTimes {
  uint64_t read = 0;
  uint64_t decode = 0;
  uint64_t mean = 0;
  uint64_t warp = 0;
  uint64_t cpu = 0;  ///< that the thread had on a core, of the whole sample; what is missing it waited
  uint64_t bytes = 0;
  uint64_t whole_decodes = 0;
  uint64_t region_decodes = 0;
};

struct SampleConfig {
  uint64_t seed = 0;
  CropConfig crop;
  TargetConfig target;
  bool remember_means = true;
  bool fast_decode = false;  ///< frames for crops that are at least twice coarser are decoded smaller: not exact
};

/// A region that a sample needed, with the bytes to decode it from.
struct DecodeJob {
  std::vector<uint8_t> bytes;
  FrameInfo info;
  Rect wanted;
  int reduction = 1;
  std::string file;
};

class SampleMaker {
 public:
  SampleMaker(std::shared_ptr<const PairSampler> sampler, std::shared_ptr<FrameStore> store, const SampleConfig& config);

  /// Makes the sample that (seed, epoch, sample, attempt) defines.
  /// @throws ERR_DATA or ERR_IO when one of its frames or boxes is bad; the output then holds nothing of use
  void Make(uint32_t epoch, uint32_t sample, uint32_t attempt, const SampleOutput& out);

  /// The pair that it draws, without reading pixels.
  PairRef Pair(uint32_t epoch, uint32_t sample, uint32_t attempt);

  /// Keeps a copy of each region that is decoded from now on; null: no more.
  void RecordTo(std::vector<DecodeJob>* jobs) { record_ = jobs; }

  /// @returns what was added up since the last call
  SampleTimes TakeTimes();

 private:
  struct Frame {
    std::string path;
    std::vector<uint8_t> buffer;
    FrameBytes bytes;
    FrameInfo info;
    FrameSize size;                 ///< of the frame, which a pack's picture is only a part of
    std::optional<PackRow> packed;
    std::vector<uint8_t> pixels;
  };

  /// Gives back what one huge frame took, at the end of its scope.
  struct ScratchGuard {
    SampleMaker& maker;
    ~ScratchGuard();
  };

  FrameSize SizeOf(const FrameRef& ref);
  void Read(const FrameRef& ref, Frame& frame);
  FrameView DecodePart(Frame& frame, const Rect& part, int reduction);
  FrameView DecodePartAndMean(Frame& frame, const Rect& part, Bgr& mean);

  std::shared_ptr<const PairSampler> sampler_;
  std::shared_ptr<FrameStore> store_;
  const SampleConfig config_;
  FrameDecoder decoder_;
  Frame z_, x_;
  WarpScratch scratch_;
  SampleTimes times_;
  std::vector<DecodeJob>* record_ = nullptr;
};

}  // namespace siam::data
