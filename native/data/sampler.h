// Which two frames make a training pair (TrackPairSampler with TrackPairFilter).
#pragma once

#include <functional>
#include <vector>

#include "index.h"
#include "philox.h"

namespace siam::data {

struct FilterConfig {
  bool enabled = false;             ///< false: every box passes
  double max_area_rate = 0.6;
  double min_area_rate = 0.001;
  double max_ratio = 10;
  bool apply_area_limits = false;   ///< the original never applies them (QUIRKS 1)
};

struct SamplerConfig {
  double negative_pair_ratio = 0;
  bool symmetric_window = false;    ///< false: the later frame may be any number of frames ahead (QUIRKS 2)
  FilterConfig filter;
};

struct FrameRef {
  uint32_t dataset = 0;
  uint32_t sequence = 0;
  uint32_t frame = 0;

  bool operator==(const FrameRef& o) const { return dataset == o.dataset && sequence == o.sequence && frame == o.frame; }
};

struct PairRef {
  FrameRef z;
  FrameRef x;
  bool negative = false;
};

struct FrameSize {
  int width = 0;
  int height = 0;
};

/// Size of a frame; asked for only where the filter's area limits apply.
using FrameSizeOf = std::function<FrameSize(const FrameRef&)>;

class PairSampler {
 public:
  /// @throws ERR_DATA when there is no data set or no positive ratio
  PairSampler(Datasets datasets, SamplerConfig config);

  /// Draws negativity once, then pairs until the filter lets both boxes pass (QUIRKS 4). Frames are not read.
  /// The draws of a try, in order: data set, sequence, frame (of a still: object), and then for x: a frame of the same sequence within
  /// the window; nothing where z is on a still or its sequence has one frame, as x is then z itself; for a negative pair again data
  /// set, sequence, frame. A still without objects is refused when it is drawn, so it takes its share of the tries as in the original.
  /// @throws ERR_DATA when a drawn box is unusable, or when 1000 pairs in a row do not pass
  PairRef Draw(SampleDraws& draws, const FrameSizeOf& size_of) const;

  const Datasets& datasets() const { return datasets_; }
  const DatasetIndex& dataset(const FrameRef& ref) const { return *datasets_[ref.dataset]; }
  const Xyxy& Box(const FrameRef& ref) const { return datasets_[ref.dataset]->box(ref.sequence, ref.frame); }
  std::string Path(const FrameRef& ref) const { return datasets_[ref.dataset]->Path(ref.sequence, ref.frame); }

 private:
  FrameRef DrawSequence(SampleDraws& draws) const;
  FrameRef DrawFrame(SampleDraws& draws) const;
  bool IsEmptyStill(const FrameRef& ref) const { return ref.sequence >= datasets_[ref.dataset]->sequences(); }
  bool Passes(const FrameRef& ref, const FrameSizeOf& size_of) const;

  Datasets datasets_;
  std::vector<double> cumulative_;
  SamplerConfig config_;
};

}  // namespace siam::data
