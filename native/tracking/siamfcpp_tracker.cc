#include "siamfcpp_tracker.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "../base/error.h"
#include "../data/geometry.h"

namespace siam::tracking {
namespace {

/// Puts the model into evaluation mode, without gradients, and back: it may be one that is being trained.
class EvaluationScope {
 public:
  explicit EvaluationScope(core::SiamTrack& model) : model_(model), was_training_(model->is_training()) {
    if (was_training_) model_->eval();
  }
  ~EvaluationScope() {
    if (was_training_) model_->train();
  }
  EvaluationScope(const EvaluationScope&) = delete;
  EvaluationScope& operator=(const EvaluationScope&) = delete;

 private:
  core::SiamTrack& model_;
  const bool was_training_;
  const c10::NoGradGuard no_grad_;
};

/// Outer product of two Hann windows, row-major; or ones.
std::vector<double> make_window(int size, bool cosine) {
  std::vector<double> hann(static_cast<size_t>(size), 1.0);
  if (cosine && size > 1) {
    for (int i = 0; i < size; ++i) hann[static_cast<size_t>(i)] = 0.5 + 0.5 * std::cos(M_PI * (2.0 * i + 1 - size) / (size - 1));
  }
  std::vector<double> window;
  for (const double y : hann) {
    for (const double x : hann) window.push_back(y * x);
  }
  return window;
}

float change(float ratio) { return std::max(ratio, 1.0F / ratio); }

/// Side of the square that a target with its context fills.
float padded_side(float w, float h) {
  const float pad = (w + h) * 0.5F;
  return std::sqrt((w + pad) * (h + pad));
}

std::string text(const Rect4& box) {
  std::string joined;
  for (const double value : box) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%s%g", joined.empty() ? "" : ",", value);
    joined += buffer;
  }
  return joined;
}

}  // namespace

SiamFcppTracker::SiamFcppTracker(core::SiamTrack model, const TrackerOptions& options) : model_(std::move(model)), options_(options) {
  if (options_.score_size() < 1) {
    throw SiamException("ERR_CONFIG", "SiamFCppTracker: x_size " + std::to_string(options_.x_size) + ", z_size " + std::to_string(options_.z_size) +
                                          ", total_stride and num_conv3x3 leave no score map");
  }
  window_ = make_window(options_.score_size(), options_.cosine_window);
}

SiamFcppTracker::State SiamFcppTracker::state_of(const Rect4& box) {
  const float x = static_cast<float>(box[0]), y = static_cast<float>(box[1]), w = static_cast<float>(box[2]), h = static_cast<float>(box[3]);
  return {x + (w - 1) / 2, y + (h - 1) / 2, w, h};
}

at::Tensor SiamFcppTracker::crop(const data::FrameView& view, const data::CropSquare& square) {
  at::Tensor out = at::empty({1, 3, square.out_size, square.out_size}, at::kByte);
  data::WarpCrop(view, square, border_, data::PixelLayout::kPlanar, scratch_, out.data_ptr<uint8_t>());
  return out;
}

void SiamFcppTracker::init(FrameInput frame, const Rect4& box) {
  reader_.open(std::move(frame));
  const State state = state_of(box);
  const bool positive = box[2] > 0 && box[3] > 0 && std::isfinite(state.cx) && std::isfinite(state.cy) && std::isfinite(state.w * state.h);
  if (!positive) throw SiamException("ERR_ARGUMENT", "init: Expected a box x,y,w,h of positive size but received " + text(box));
  if (box[0] >= reader_.width() || box[1] >= reader_.height() || box[0] + box[2] <= 0 || box[1] + box[3] <= 0) {
    throw SiamException("ERR_ARGUMENT", "init: Expected a box that overlaps the frame of " + std::to_string(reader_.width()) + "x" + std::to_string(reader_.height()) +
                                            " but received " + text(box),
                        reader_.file());
  }
  const EvaluationScope scope(model_);
  const data::FrameView view = reader_.whole();
  border_ = data::TruncatedMean(view);
  const auto square = data::TrackingCropSize(state.w, state.h, options_.context_amount, options_.z_size, options_.z_size, true);
  z_crop_ = crop(view, {state.cx, state.cy, static_cast<double>(square.size), options_.z_size});
  features_ = model_->template_features(z_crop_);
  frame_width_ = reader_.width();
  frame_height_ = reader_.height();
  state_ = state;
  x_crop_ = score_ = at::Tensor();
}

TrackStep SiamFcppTracker::update(FrameInput frame, const std::optional<Rect4>& prior) {
  if (!features_) throw SiamException("ERR_ARGUMENT", "update: Expected init() with the first frame before it");
  reader_.open(std::move(frame));
  if (reader_.width() != frame_width_ || reader_.height() != frame_height_) {
    throw SiamException("ERR_DATA", "update: Expected a frame of " + std::to_string(frame_width_) + "x" + std::to_string(frame_height_) + " as the first one but received " +
                                        std::to_string(reader_.width()) + "x" + std::to_string(reader_.height()),
                        reader_.file());
  }
  const EvaluationScope scope(model_);
  const State from = prior ? state_of(*prior) : state_;
  const auto size = data::TrackingCropSize(from.w, from.h, options_.context_amount, options_.z_size, options_.x_size, true);
  const data::CropSquare square{from.cx, from.cy, static_cast<double>(size.size), options_.x_size};
  x_crop_ = crop(reader_.region(data::Footprint(square)), square);
  const Output output = run(x_crop_);
  score_ = output.score;
  const float scale_x = static_cast<float>(size.scale);
  TrackStep step = choose(output, from, scale_x);
  state_ = next_state(step, from);
  step.box = {state_.cx - (state_.w - 1) / 2, state_.cy - (state_.h - 1) / 2, state_.w, state_.h};
  return step;
}

SiamFcppTracker::Output SiamFcppTracker::run(const at::Tensor& x_crop) {
  const core::HeadOutput head = model_->track(x_crop, *features_);
  const int64_t cells = static_cast<int64_t>(window_.size());
  if (head.cls.size(1) != cells) {
    throw SiamException("ERR_CONFIG", "update: the tracker's sizes give a score map of " + std::to_string(cells) + " cells, the network's head one of " +
                                          std::to_string(head.cls.size(1)));
  }
  // One copy from the device: score and box side by side.
  const at::Tensor score = at::sigmoid(head.cls.to(at::kFloat)) * at::sigmoid(head.ctr.to(at::kFloat));
  const at::Tensor packed = at::cat({score, head.box.to(at::kFloat)}, 2)[0].to(at::kCPU);
  if (!packed.isfinite().all().item<bool>()) {
    throw SiamException("ERR_NONFINITE", "update: the network's output is not finite (are these the weights of a run that diverged?)", reader_.file());
  }
  return {packed.select(1, 0).contiguous(), packed.slice(1, 1, 5).contiguous()};
}

TrackStep SiamFcppTracker::choose(const Output& output, const State& prior, float scale_x) const {
  const float* score = output.score.data_ptr<float>();
  const float* box = output.box.data_ptr<float>();
  const float prior_w = prior.w * scale_x, prior_h = prior.h * scale_x;
  const float prior_side = padded_side(prior_w, prior_h), prior_ratio = prior_w / prior_h;
  const float penalty_k = static_cast<float>(options_.penalty_k);
  const float share = static_cast<float>(1 - options_.window_influence);

  TrackStep best;
  best.pscore = -std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < window_.size(); ++i) {
    const float* corners = box + 4 * i;
    const float w = corners[2] - corners[0] + 1, h = corners[3] - corners[1] + 1;
    const float penalty = std::exp(-(change(prior_ratio / (w / h)) * change(padded_side(w, h) / prior_side) - 1) * penalty_k);
    const double pscore = static_cast<double>(penalty * score[i] * share) + window_[i] * options_.window_influence;
    if (pscore > best.pscore) {
      best.pscore = pscore;
      best.best_index = static_cast<int64_t>(i);
      best.score = score[i];
      best.penalty = penalty;
      best.box_in_crop = {(corners[0] + corners[2]) / 2, (corners[1] + corners[3]) / 2, w, h};
    }
  }
  // A head whose boxes are all inside out (w or h below zero) makes every padded side NaN.
  if (!std::isfinite(best.pscore)) throw SiamException("ERR_NONFINITE", "update: no cell of the score map has a box of positive size", reader_.file());
  best.scale_x = scale_x;
  return best;
}

SiamFcppTracker::State SiamFcppTracker::next_state(const TrackStep& step, const State& prior) const {
  const float scale = static_cast<float>(step.scale_x);
  const auto in_frame = [&](size_t i) { return static_cast<float>(step.box_in_crop[i]) / scale; };
  const float middle = static_cast<float>(options_.x_size / 2) / scale;
  const float lr = static_cast<float>(step.penalty) * static_cast<float>(step.score) * static_cast<float>(options_.test_lr);
  const float cx = in_frame(0) + prior.cx - middle, cy = in_frame(1) + prior.cy - middle;
  const float w = prior.w * (1 - lr) + in_frame(2) * lr, h = prior.h * (1 - lr) + in_frame(3) * lr;

  const float width = static_cast<float>(frame_width_), height = static_cast<float>(frame_height_);
  return {std::max(0.0F, std::min(width, cx)), std::max(0.0F, std::min(height, cy)), std::max(static_cast<float>(options_.min_w), std::min(width, w)),
          std::max(static_cast<float>(options_.min_h), std::min(height, h))};
}

std::vector<std::pair<std::string, at::Tensor>> SiamFcppTracker::debug() const {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const auto& [name, tensor] : {std::pair{"z_crop", z_crop_}, std::pair{"x_crop", x_crop_}, std::pair{"score", score_}}) {
    if (tensor.defined()) tensors.emplace_back(name, tensor);
  }
  return tensors;
}

}  // namespace siam::tracking
