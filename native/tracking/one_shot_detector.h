// One-shot detection: the best box of each frame, without a motion model.
#pragma once

#include "siamfcpp_tracker.h"

namespace siam::tracking {

/// No window, no smoothing, no limits of the frame; the penalty on a change of shape stays. The next search is around the last box.
/// Source: the original's SiamFCppOneShotDetector. Thread: engine.
class OneShotDetector : public SiamFcppTracker {
 public:
  using SiamFcppTracker::SiamFcppTracker;

 protected:
  double window_influence() const override { return 0; }
  Target next(const TrackStep& step, const Target& prior) override;
};

}  // namespace siam::tracking
