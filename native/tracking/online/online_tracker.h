// SiamFC++ with a classifier that is learned while tracking.
#pragma once

#include "../siamfcpp_tracker.h"
#include "classifier.h"

namespace siam::tracking::online {

/// A cell's score is (1 − w) · penalty · score + w · online score, before the window; the box is the network's, as in SiamFcppTracker.
/// What the original's does and what is different: docs/online-tracker.md. Thread: engine.
class SiamFcppOnlineTracker : public SiamFcppTracker {
 public:
  /// @throws ERR_CONFIG when the features leave no score map that fits the network's
  SiamFcppOnlineTracker(std::shared_ptr<Network> network, const TrackerOptions& options, const OnlineOptions& online,
                        std::shared_ptr<FrameReader> reader = nullptr);

  /// As SiamFcppTracker's, and online_score [S²], 0 to 1; online_map [M,M]; online_found, 0 to 3 as `Found`; online_weights of the memory.
  std::vector<std::pair<std::string, at::Tensor>> debug() const override;

 protected:
  void initialized(const data::FrameView& first) override;
  Output run(const at::Tensor& x_crop) override;
  TrackStep choose_cell(const Output& output, const Target& prior, float scale_x) override;
  void updated(const TrackStep& step) override;

 private:
  at::Tensor features_of(const at::Tensor& images);

  const OnlineOptions online_;
  const int64_t margin_;  // cells of the online map on each side that the network's score map does not have
  Classifier classifier_;
  Classifier::Scores scores_;
  at::Tensor online_score_;
  bool scored_ = false;  // scores_ are those of the crop that is being looked at
};

}  // namespace siam::tracking::online
