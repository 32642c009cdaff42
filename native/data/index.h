// A data set in memory: where its frames are and where the target is in each. Built once by lib/data, shared by all threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "geometry.h"

namespace siam::data {

/// File name of frame k of a sequence: "%08d.jpg" and the like. The pattern is data, so it never reaches printf.
class FrameNamePattern {
 public:
  /// @throws ERR_DATA unless the pattern has exactly one %d or %0Nd ("%%" is a percent sign)
  explicit FrameNamePattern(const std::string& pattern);
  std::string Name(int64_t number) const;

 private:
  std::string before_, after_;
  int width_ = 0;
};

struct Sequence {
  std::string dir;
  std::string pattern;              ///< "" where `names` holds the file names
  int32_t first_number = 0;
  std::vector<std::string> names;
};

/// What a data set of still pictures has besides: each of its sequences is one picture, and the "frames" are the objects on it.
struct Stills {
  bool still = false;
  uint32_t empty = 0;               ///< pictures without an object: drawn as the others are, and then refused, as in the original
};

class DatasetIndex {
 public:
  /// @param start  [sequences + 1] prefix sums of the number of frames     @param boxes  [frames] corners in pixels
  /// @throws ERR_DATA when the parts do not fit together or hold no frame
  DatasetIndex(std::string name, double ratio, int64_t max_diff, std::vector<Sequence> sequences, std::vector<uint32_t> start,
               std::vector<Xyxy> boxes, Stills stills = {});

  const std::string& name() const { return name_; }
  double ratio() const { return ratio_; }
  int64_t max_diff() const { return max_diff_; }
  bool still() const { return stills_.still; }
  uint32_t empty_stills() const { return stills_.empty; }
  uint32_t sequences() const { return static_cast<uint32_t>(sequences_.size()); }
  uint32_t frames(uint32_t sequence) const { return start_[sequence + 1] - start_[sequence]; }
  const Xyxy& box(uint32_t sequence, uint32_t frame) const { return boxes_[start_[sequence] + frame]; }
  std::string Path(uint32_t sequence, uint32_t frame) const;

  /// Means of whole frames that were seen before: a pure function of the file, kept so that it is decoded whole only once.
  /// Lock-free; threads that miss at the same time store the same value.
  bool KnownMean(uint32_t sequence, uint32_t frame, Bgr& mean) const;
  void RememberMean(uint32_t sequence, uint32_t frame, Bgr mean) const;

 private:
  /// Which picture of the sequence a frame is: all objects of a still are on its only one.
  uint32_t Picture(uint32_t frame) const { return stills_.still ? 0 : frame; }

  std::string name_;
  double ratio_;
  int64_t max_diff_;
  std::vector<Sequence> sequences_;
  std::vector<FrameNamePattern> patterns_;
  std::vector<int32_t> pattern_of_;
  std::vector<uint32_t> start_;
  std::vector<Xyxy> boxes_;
  Stills stills_;
  std::unique_ptr<std::atomic<uint32_t>[]> means_;  ///< 0: not seen; else 0xFFrrggbb
};

using Datasets = std::vector<std::shared_ptr<const DatasetIndex>>;

}  // namespace siam::data
