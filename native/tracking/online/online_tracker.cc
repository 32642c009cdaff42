#include "online_tracker.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "../../base/error.h"
#include "augmentation.h"

namespace siam::tracking::online {
namespace {

/// Images that go through the network at once: enough to fill its loops, and few enough for a small machine's memory.
constexpr int64_t kBatch = 8;

int64_t margin_of(const TrackerOptions& options, const OnlineOptions& online) {
  const int64_t beyond = map_side(online.feature_side) - options.score_size();
  if (beyond < 0 || beyond % 2 != 0) {
    throw SiamException("ERR_CONFIG", "SiamFCppOnlineTracker: a score map of " + std::to_string(options.score_size()) + " cells does not lie in the middle of the " +
                                          std::to_string(map_side(online.feature_side)) + " cells that raw_fea_size " + std::to_string(online.feature_side) + " gives");
  }
  return beyond / 2;
}

/// 0 to 1; where all is the same, nothing is said.
at::Tensor normalized(const at::Tensor& map) {
  const at::Tensor least = map.min(), range = map.max() - least;
  return range.item<double>() > 0 ? (map - least) / range : at::zeros_like(map);
}

/// The classifier's small problems, with a number read back at every step, are the CPU's wherever the network is.
at::Tensor on_host(const at::Tensor& features) { return features.to(at::TensorOptions().device(at::kCPU).dtype(at::kFloat)); }

}  // namespace

SiamFcppOnlineTracker::SiamFcppOnlineTracker(std::shared_ptr<Network> network, const TrackerOptions& options, const OnlineOptions& online,
                                             std::shared_ptr<FrameReader> reader)
    : SiamFcppTracker(std::move(network), options, std::move(reader)), online_(online), margin_(margin_of(options, online)), classifier_(online, options.x_size) {}

at::Tensor SiamFcppOnlineTracker::features_of(const at::Tensor& images) {
  std::vector<at::Tensor> features;
  // Whole levels, as those of every other crop: networks may count on that.
  for (const at::Tensor& batch : images.round().clamp(0, 255).to(at::kByte).split(kBatch)) features.push_back(on_host(network_->classification_features(batch)));
  return at::cat(features);
}

void SiamFcppOnlineTracker::initialized(const data::FrameView& first) {
  classifier_.reset();
  scores_ = {};
  online_score_ = at::Tensor();
  const auto side = static_cast<int>(std::floor(options_.x_size * online_.augmentation.expansion));
  float scale = 0;
  const at::Tensor wide = crop(first, square_around(state_, side)).to(at::kFloat);
  square_around(state_, options_.x_size, &scale);
  AugmentedImages samples = augment(wide, options_.x_size, online_.augmentation, online_.seed);
  classifier_.initialize(features_of(samples.images), std::move(samples.shifts), state_, scale);
}

SiamFcppTracker::Output SiamFcppOnlineTracker::run(const at::Tensor& x_crop) {
  if (!classifier_.initialized()) throw SiamException("ERR_ARGUMENT", "update: Expected init() with the first frame before it; the last one failed");
  scored_ = false;
  const core::SearchFeatures search = network_->search_features(x_crop);
  const Output all = outputs_of(packed(network_->head(search, *features_)), static_cast<int64_t>(window_.size()), reader_.file());
  Output output{all.score[0], all.box[0]};
  scores_ = classifier_.score(on_host(search.c_x));
  const int64_t size = options_.score_size();
  online_score_ = normalized(scores_.map.narrow(0, margin_, size).narrow(1, margin_, size)).reshape({-1}).to(at::kFloat).contiguous();
  scored_ = true;
  return output;
}

TrackStep SiamFcppOnlineTracker::choose_cell(const Output& output, const Target& prior, float scale_x) {
  // Whoever computes the outputs of several targets at once does not call run().
  if (!std::exchange(scored_, false)) throw SiamException("ERR_CONFIG", "SiamFCppOnlineTracker follows one target; several in one frame need a tracker each");
  const ScoreMap map{output.score.data_ptr<float>(), output.box.data_ptr<float>(), &window_, online_score_.data_ptr<float>(), online_.score_weight};
  return choose(map, prior, scale_x, options_.penalty_k, options_.window_influence, reader_.file());
}

void SiamFcppOnlineTracker::updated(const TrackStep&) { classifier_.learn(scores_, state_); }

std::vector<std::pair<std::string, at::Tensor>> SiamFcppOnlineTracker::debug() const {
  auto tensors = SiamFcppTracker::debug();
  if (online_score_.defined()) {
    tensors.emplace_back("online_score", online_score_);
    tensors.emplace_back("online_map", scores_.map);
    tensors.emplace_back("online_found", at::scalar_tensor(static_cast<double>(scores_.found), at::kDouble));
  }
  if (classifier_.initialized()) {
    const std::vector<double>& weights = classifier_.memory().weights().values();
    tensors.emplace_back("online_weights", at::tensor(at::ArrayRef<double>(weights), at::kDouble));
  }
  return tensors;
}

}  // namespace siam::tracking::online
