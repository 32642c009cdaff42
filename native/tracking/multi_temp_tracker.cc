#include "multi_temp_tracker.h"

namespace siam::tracking {
namespace {

/// `memory` [M,C,h,h], or [1,C,h,h] that stands for `length` times the same, without its template `sink` and with `added` [1,C,h,h] at its end.
at::Tensor replaced(const at::Tensor& memory, int64_t length, int64_t sink, const at::Tensor& added) {
  const at::Tensor all = memory.expand({length, -1, -1, -1});
  return at::cat({all.slice(0, 0, sink), all.slice(0, sink + 1), added}, 0);
}

}  // namespace

void MultiTempTracker::initialized(const data::FrameView&) {
  templates_.reset();
  coming_.reset();
  frames_ = 0;
}

SiamFcppTracker::Output MultiTempTracker::merged(const Output& outputs) const {
  if (!templates_) return SiamFcppTracker::merged(outputs);
  const at::Tensor& scores = outputs.score;
  return {scores[0] * (1 - memory_.coef) + scores.slice(0, 1).mean(0) * memory_.coef, outputs.box[0]};
}

void MultiTempTracker::prepare(const TrackStep&, const Target& target) {
  coming_.reset();
  if (!memory_.renew || memory_.length == 1 || (frames_ + 1) % memory_.step != 0) return;
  const data::CropSquare square = square_around(target, options_.z_size);
  coming_crop_ = crop(reader_.region(data::Footprint(square)), square);
  const core::TemplateFeatures added = network_->template_features(coming_crop_);
  const core::TemplateFeatures& now = templates();
  const auto with = [this](const at::Tensor& memory, const at::Tensor& newest) { return replaced(memory, memory_.length, memory_.sink_index, newest); };
  coming_ = core::TemplateFeatures{with(now.c_z_k, added.c_z_k), with(now.r_z_k, added.r_z_k)};
}

void MultiTempTracker::updated(const TrackStep&) {
  frames_ += 1;
  if (!coming_) return;
  templates_ = std::move(coming_);
  coming_.reset();
  z_crop_ = coming_crop_;
}

}  // namespace siam::tracking
