// A data set as the loader samples it: where its frames are and where the target is in each. Built once by lib/data or opened from a
// cached file, shared by all threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "index_sections.h"
#include "mean_table.h"
#include "pack/pack_file.h"

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

/// One sequence in the form that is handy to build by hand; see IndexSections for the one that is kept.
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
  /// @throws ERR_DATA when the parts do not fit together or hold no frame: sections that came from a file are not trusted
  /// @param pack  where the pictures are read from instead of the frames' files; its rows must be as many as the frames
  /// @param means  a table of as many rows that others share; one of its own where it is empty
  DatasetIndex(std::string name, double ratio, int64_t max_diff, IndexSections sections, Stills stills = {},
               std::shared_ptr<const PackFile> pack = nullptr, std::shared_ptr<MeanTable> means = nullptr);

  /// @param start  [sequences + 1] prefix sums of the number of frames     @param boxes  [frames] corners in pixels
  /// @throws ERR_DATA when the parts do not fit together or hold no frame
  DatasetIndex(std::string name, double ratio, int64_t max_diff, std::vector<Sequence> sequences, std::vector<uint32_t> start,
               std::vector<Xyxy> boxes, Stills stills = {});

  const std::string& name() const { return name_; }
  double ratio() const { return ratio_; }
  int64_t max_diff() const { return max_diff_; }
  bool still() const { return stills_.still; }
  uint32_t empty_stills() const { return stills_.empty; }
  uint32_t sequences() const { return static_cast<uint32_t>(parts_.rows.size); }
  uint32_t frames(uint32_t sequence) const { return parts_.start[sequence + 1] - parts_.start[sequence]; }
  const Xyxy& box(uint32_t sequence, uint32_t frame) const { return parts_.boxes[size_t{parts_.start[sequence]} + frame]; }
  /// The frame's file; of a packed data set the picture's name in its shard.
  std::string Path(uint32_t sequence, uint32_t frame) const;

  /// nullptr where frames are files.
  const PackFile* pack() const { return pack_.get(); }
  /// Number of the frame among all frames, which is its row in a pack. Objects of a still have one each.
  uint64_t Row(uint32_t sequence, uint32_t frame) const { return uint64_t{parts_.start[sequence]} + frame; }

  struct Place {
    uint32_t sequence, frame;
  };
  /// The inverse of Row().
  Place AtRow(uint64_t row) const;
  uint64_t rows() const { return parts_.boxes.size; }

  /// Means of whole frames that were seen before; see MeanTable. Not for packs.
  bool KnownMean(uint32_t sequence, uint32_t frame, uint32_t check, Bgr& mean) const { return means_->Known(MeanRow(sequence, frame), check, mean); }
  bool HasMean(uint32_t sequence, uint32_t frame) const { return means_->Has(MeanRow(sequence, frame)); }
  void RememberMean(uint32_t sequence, uint32_t frame, uint32_t check, Bgr mean) const { means_->Remember(MeanRow(sequence, frame), check, mean); }

 private:
  std::string FramePath(uint32_t sequence, uint32_t frame) const;
  /// Which picture of the sequence a frame is: all objects of a still are on its only one.
  uint32_t Picture(uint32_t frame) const { return stills_.still ? 0 : frame; }
  size_t MeanRow(uint32_t sequence, uint32_t frame) const { return size_t{parts_.start[sequence]} + Picture(frame); }

  std::string name_;
  double ratio_;
  int64_t max_diff_;
  Stills stills_;
  IndexSections parts_;
  std::shared_ptr<const PackFile> pack_;
  std::vector<FrameNamePattern> patterns_;
  std::vector<uint32_t> pattern_of_text_;  ///< number in `patterns_` of each text that is a pattern
  std::shared_ptr<MeanTable> means_;  ///< empty for packs, which have the means in their rows
};

using Datasets = std::vector<std::shared_ptr<const DatasetIndex>>;

}  // namespace siam::data
