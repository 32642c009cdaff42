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

  MultiTracker(std::shared_ptr<Network> network, MakeTracker make) : network_(std::move(network)), make_(std::move(make)) {}

  /// Forgets all targets and starts with these; their ids are 0, 1, …
  /// @throws as SiamFcppTracker::init(); the targets then are those of before
  std::vector<int64_t> init(FrameInput frame, const std::vector<Rect4>& boxes);
  /// Adds targets as they are in `frame`, which has the size of the first; the others are not moved.     @returns their ids
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
  std::vector<Target> started(const std::vector<Rect4>& boxes, int64_t first_id) const;
  /// The network on the targets' crops, all of one size.     @param targets  indices     @param outputs  of all targets; those of `targets` are set
  void run(const std::vector<size_t>& targets, const std::vector<at::Tensor>& crops, std::vector<SiamFcppTracker::Output>& outputs) const;

  const std::shared_ptr<Network> network_;
  const MakeTracker make_;
  const std::shared_ptr<FrameReader> reader_ = std::make_shared<FrameReader>();
  std::vector<Target> targets_;
  int64_t next_id_ = 0;
  int frame_width_ = 0;
  int frame_height_ = 0;
};

}  // namespace siam::tracking
