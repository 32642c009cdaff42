// The long-term tracker: SiamFC++'s, which knows when it has lost the target.
#pragma once

#include "siamfcpp_tracker.h"

namespace siam::tracking {

struct LongTermOptions {
  double score_low = 0.3;   ///< a penalised score below it means lost; a score below it keeps the box where it is
  double score_high = 0.5;  ///< a penalised score above it means found
  int search_size = 399;    ///< side of the search crop while lost, pixels
};

/// While the target is lost the search crop is larger and the window has a share of 0.001 only: it may come back anywhere.
/// A target is not lost at its first frame (the original keeps the state of the sequence before: its results depend on their order).
/// Source: the original's SiamFCppLTTracker. Thread: engine.
class LongTermTracker : public SiamFcppTracker {
 public:
  /// @throws ERR_CONFIG when the sizes leave no score map
  LongTermTracker(std::shared_ptr<Network> network, const TrackerOptions& options, const LongTermOptions& long_term,
                  std::shared_ptr<FrameReader> reader = nullptr);

 protected:
  void initialized(const data::FrameView&) override { lost_ = false; }
  int search_size() const override { return lost_ ? long_term_.search_size : options_.x_size; }
  const std::vector<double>& window() const override { return lost_ ? lost_window_ : window_; }
  double window_influence() const override;
  Target next(const TrackStep& step, const Target& prior) override;
  void updated(const TrackStep& step) override;

 private:
  const LongTermOptions long_term_;
  const std::vector<double> lost_window_;
  bool lost_ = false;
};

}  // namespace siam::tracking
