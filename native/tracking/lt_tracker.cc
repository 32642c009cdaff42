#include "lt_tracker.h"

#include "../base/error.h"

namespace siam::tracking {
namespace {

constexpr double kLostWindowInfluence = 0.001;

int checked_score_size(const TrackerOptions& options, int search) {
  const int size = options.score_size(search);
  if (size < 1) throw SiamException("ERR_CONFIG", "SiamFCppLTTracker: lost_search_size " + std::to_string(search) + " leaves no score map");
  return size;
}

}  // namespace

LongTermTracker::LongTermTracker(std::shared_ptr<Network> network, const TrackerOptions& options, const LongTermOptions& long_term, std::shared_ptr<FrameReader> reader)
    : SiamFcppTracker(std::move(network), options, std::move(reader)),
      long_term_(long_term),
      lost_window_(make_window(checked_score_size(options, long_term.search_size), options.cosine_window)) {}

double LongTermTracker::window_influence() const { return lost_ ? kLostWindowInfluence : options_.window_influence; }

Target LongTermTracker::next(const TrackStep& step, const Target& prior) {
  if (step.score >= long_term_.score_low) return SiamFcppTracker::next(step, prior);
  return limited(prior, frame_width_, frame_height_, options_.min_w, options_.min_h);
}

void LongTermTracker::updated(const TrackStep& step) {
  // Between the two nothing changes.
  if (step.pscore > long_term_.score_high) lost_ = false;
  else if (step.pscore < long_term_.score_low) lost_ = true;
}

}  // namespace siam::tracking
