// The tracker with a memory of templates: scores are mixed over them, boxes are the first one's.
#pragma once

#include "siamfcpp_tracker.h"

namespace siam::tracking {

struct TemplateMemoryOptions {
  int step = 5;        ///< frames between two templates
  int length = 5;      ///< templates that are kept
  double coef = 0.7;   ///< share of all templates but the first in the score
  int sink_index = 1;  ///< the one that a new template puts out
  bool renew = true;   ///< off: all are the first one, which makes this SiamFcppTracker
};

/// score = (1 − coef) · score of template 0 + coef · mean of the others' scores.
/// The search image's features are computed once and shared; the templates go through correlation and head as one batch.
/// Source: the original's SiamFCppMultiTempTracker; its template renewal (docs/trackers.md). Thread: engine.
class MultiTempTracker : public SiamFcppTracker {
 public:
  MultiTempTracker(std::shared_ptr<Network> network, const TrackerOptions& options, const TemplateMemoryOptions& memory, std::shared_ptr<FrameReader> reader = nullptr)
      : SiamFcppTracker(std::move(network), options, std::move(reader)), memory_(memory) {}

  /// As long as all templates are one, so are their scores: that one alone.
  const core::TemplateFeatures& templates() const override { return templates_ ? *templates_ : *features_; }
  Output merged(const Output& outputs) const override;

 protected:
  void initialized(const data::FrameView& first) override;
  void prepare(const TrackStep& step, const Target& target) override;
  void updated(const TrackStep& step) override;

 private:
  const TemplateMemoryOptions memory_;
  /// `length` of them, oldest first; none before the first renewal.
  std::optional<core::TemplateFeatures> templates_;
  /// Those after this frame, and the crop that the newest is of.
  std::optional<core::TemplateFeatures> coming_;
  at::Tensor coming_crop_;
  int64_t frames_ = 0;
};

}  // namespace siam::tracking
