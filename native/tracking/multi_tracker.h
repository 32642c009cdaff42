// Several targets in the frames of one sequence: each frame is read once, and their crops go through the network together.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "siamfcpp_tracker.h"

namespace siam::tracking {

/// Each target has a tracker of its own, of one kind; what they see of a frame is batched: one backbone call for all search crops of one
/// size, one head call for all templates. The boxes are those of single trackers, within the noise of float32 sums.
/// Thread: engine.
class MultiTracker {
 public:
  struct TargetStep {
    int64_t id = 0;
    TrackStep step;
  };
  using MakeTracker = std::function<std::shared_ptr<SiamFcppTracker>(std::shared_ptr<FrameReader>)>;

  /// @param share_windows  search targets whose windows nearly coincide in one crop: faster, but not the boxes of single trackers
  MultiTracker(std::shared_ptr<Network> network, MakeTracker make, bool share_windows = false)
      : network_(std::move(network)), make_(std::move(make)), share_windows_(share_windows) {}

  /// Forgets all targets and starts with these; their ids are 0, 1, …
  /// @throws as SiamFcppTracker::init(); the targets then are those of before
  std::vector<int64_t> init(FrameInput frame, const std::vector<Rect4>& boxes);
  /// Adds targets as they are in `frame`, which has the size of the first; the others are not moved. Beside others the network keeps the
  /// weights and ranges that it began with.     @returns their ids
  /// @throws as init()
  std::vector<int64_t> add(FrameInput frame, const std::vector<Rect4>& boxes);
  /// @returns false when there is no such target
  bool remove(int64_t id);
  /// Finds all targets in the next frame, in the order of their ids.
  /// @throws as SiamFcppTracker::update(); all targets then are where the last good frame had them
  std::vector<TargetStep> update(FrameInput frame);

 private:
  struct Target {
    int64_t id;
    std::shared_ptr<SiamFcppTracker> tracker;
  };
  /// @param alone  there will be no other targets: the network begins anew, with these
  std::vector<Target> started(const std::vector<Rect4>& boxes, int64_t first_id, bool alone) const;
  /// Which target's crop each is searched in: its own, or that of one before it. Searches are changed to suit.
  std::vector<size_t> shared_crops(std::vector<SiamFcppTracker::Search>& searches) const;
  /// The network on the crops of `owners`, all of one size, for all targets that are searched in them.
  /// @param owners  indices of targets     @param crop_of  the owner of each target's crop     @param crops, outputs  of all targets; outputs are set
  void run(const std::vector<size_t>& owners, const std::vector<size_t>& crop_of, const std::vector<at::Tensor>& crops, std::vector<SiamFcppTracker::Output>& outputs) const;

  const std::shared_ptr<Network> network_;
  const MakeTracker make_;
  const bool share_windows_;
  const std::shared_ptr<FrameReader> reader_ = std::make_shared<FrameReader>();
  std::vector<Target> targets_;
  int64_t next_id_ = 0;
  int frame_width_ = 0;
  int frame_height_ = 0;
};

}  // namespace siam::tracking
