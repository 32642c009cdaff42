#include "siamfcpp_tracker.h"

#include <chrono>
#include <cmath>
#include <string>
#include <utility>

#include "../base/error.h"
#include "../data/geometry.h"

namespace siam::tracking {
namespace {

const TrackerOptions& checked(const TrackerOptions& options) {
  if (options.score_size() < 1) {
    throw SiamException("ERR_CONFIG", "SiamFCppTracker: x_size " + std::to_string(options.x_size) + ", z_size " + std::to_string(options.z_size) +
                                          ", total_stride and num_conv3x3 leave no score map");
  }
  return options;
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

SiamFcppTracker::SiamFcppTracker(std::shared_ptr<Network> network, const TrackerOptions& options, std::shared_ptr<FrameReader> reader)
    : network_(std::move(network)),
      options_(checked(options)),
      window_(make_window(options.score_size(), options.cosine_window)),
      shared_reader_(reader ? std::move(reader) : std::make_shared<FrameReader>()),
      reader_(*shared_reader_) {}

at::Tensor SiamFcppTracker::crop(const data::FrameView& view, const data::CropSquare& square, const data::Bgr& border) {
  // Interleaved: the network on the CPU takes it as it is.
  const at::Tensor out = at::empty({1, square.out_size, square.out_size, 3}, at::kByte);
  data::WarpCrop(view, square, border, data::PixelLayout::kInterleaved, scratch_, out.data_ptr<uint8_t>());
  return out.permute({0, 3, 1, 2});
}

data::CropSquare SiamFcppTracker::square_around(const Target& target, int out_size, float* scale) const {
  const auto size = data::TrackingCropSize(target.w, target.h, options_.context_amount, options_.z_size, out_size, true);
  if (scale != nullptr) *scale = static_cast<float>(size.scale);
  return {target.cx, target.cy, static_cast<double>(size.size), out_size};
}

void SiamFcppTracker::init(FrameInput frame, const Rect4& box) {
  reader_.open(std::move(frame));
  First first = first_look(box);
  network_->start(first.z_crop, first.x_crop);
  begin(std::move(first));
}

SiamFcppTracker::First SiamFcppTracker::first_look(const Rect4& box) {
  const Target state = Target::of(box);
  const bool positive = box[2] > 0 && box[3] > 0 && std::isfinite(state.cx) && std::isfinite(state.cy) && std::isfinite(state.w * state.h);
  if (!positive) throw SiamException("ERR_ARGUMENT", "init: Expected a box x,y,w,h of positive size but received " + text(box));
  if (box[0] >= reader_.width() || box[1] >= reader_.height() || box[0] + box[2] <= 0 || box[1] + box[3] <= 0) {
    throw SiamException("ERR_ARGUMENT", "init: Expected a box that overlaps the frame of " + std::to_string(reader_.width()) + "x" + std::to_string(reader_.height()) +
                                            " but received " + text(box),
                        reader_.file());
  }
  const data::FrameView view = reader_.whole();
  const data::Bgr border = reader_.mean();
  return {state, crop(view, square_around(state, options_.z_size), border), crop(view, square_around(state, options_.x_size), border), border};
}

void SiamFcppTracker::begin(First first) {
  features_ = network_->template_features(first.z_crop);
  border_ = first.border;
  z_crop_ = std::move(first.z_crop);
  frame_width_ = reader_.width();
  frame_height_ = reader_.height();
  state_ = first.state;
  x_crop_ = score_ = at::Tensor();
  initialized(reader_.whole());
}

void SiamFcppTracker::check_frame() const {
  if (!features_) throw SiamException("ERR_ARGUMENT", "update: Expected init() with the first frame before it");
  if (reader_.width() != frame_width_ || reader_.height() != frame_height_) {
    throw SiamException("ERR_DATA", "update: Expected a frame of " + std::to_string(frame_width_) + "x" + std::to_string(frame_height_) + " as the first one but received " +
                                        std::to_string(reader_.width()) + "x" + std::to_string(reader_.height()),
                        reader_.file());
  }
}

SiamFcppTracker::Search SiamFcppTracker::search(const std::optional<Rect4>& prior) const {
  Search search;
  search.prior = prior ? Target::of(*prior) : state_;
  search.square = square_around(search.prior, search_size(), &search.scale_x);
  return search;
}

void SiamFcppTracker::search_within(const Search& other, Search& own) const {
  const double cells = static_cast<double>(other.scale_x) / options_.total_stride;
  own.window = make_window(options_.score_size(), options_.cosine_window, (own.prior.cx - other.square.cx) * cells, (own.prior.cy - other.square.cy) * cells);
  // Boxes are told from the middle of the crop.
  own.prior.cx = static_cast<float>(other.square.cx);
  own.prior.cy = static_cast<float>(other.square.cy);
  own.scale_x = other.scale_x;
  own.square = other.square;
}

at::Tensor SiamFcppTracker::search_crop(const data::FrameView& view, const Search& search) {
  x_crop_ = crop(view, search.square);
  return x_crop_;
}

TrackStep SiamFcppTracker::update(FrameInput frame, const std::optional<Rect4>& prior) {
  if (!features_) throw SiamException("ERR_ARGUMENT", "update: Expected init() with the first frame before it");
  reader_.open(std::move(frame));
  check_frame();
  const Search from = search(prior);
  search_crop(reader_.region(data::Footprint(from.square)), from);
  return take(find(from, run(x_crop_)));
}

SiamFcppTracker::Found SiamFcppTracker::find(const Search& search, const Output& output) {
  score_ = output.score;
  Found found;
  moved_window_ = search.window.empty() ? nullptr : &search.window;
  found.step = choose_cell(output, search.prior, search.scale_x);
  moved_window_ = nullptr;
  found.target = next(found.step, search.prior);
  found.step.box = found.target.box();
  prepare(found.step, found.target);
  return found;
}

TrackStep SiamFcppTracker::take(Found found) {
  const Target before = state_;
  state_ = found.target;
  try {
    updated(found.step);
  } catch (...) {
    state_ = before;
    throw;
  }
  return found.step;
}

SiamFcppTracker::Output SiamFcppTracker::run(const at::Tensor& x_crop) {
  const auto start = std::chrono::steady_clock::now();
  const core::TemplateFeatures& all = templates();
  const at::Tensor seen = network_->evaluate(x_crop, all, std::vector<int64_t>(static_cast<size_t>(all.c_z_k.size(0)), 0));
  network_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return merged(outputs_of(seen, cells(), reader_.file()));
}

SiamFcppTracker::Output SiamFcppTracker::outputs_of(const at::Tensor& packed, int64_t cells, const std::string& file) {
  if (packed.size(1) != cells) {
    throw SiamException("ERR_CONFIG", "update: the tracker's sizes give a score map of " + std::to_string(cells) + " cells, the network's head one of " +
                                          std::to_string(packed.size(1)));
  }
  const int64_t count = packed.size(0);
  const Output all{at::empty({count, cells}, packed.options()), at::empty({count, cells, 4}, packed.options())};
  const float* from = packed.data_ptr<float>();
  float *score = all.score.data_ptr<float>(), *box = all.box.data_ptr<float>();
  bool finite = true;
  const auto sigmoid = [](float x) { return 1.0F / (1.0F + std::exp(-x)); };
  for (int64_t i = 0; i < count * cells; ++i, from += 6) {
    score[i] = sigmoid(from[0]) * sigmoid(from[1]);
    finite = finite && std::isfinite(score[i]);
    for (int64_t side = 0; side < 4; ++side) {
      box[4 * i + side] = from[2 + side];
      finite = finite && std::isfinite(from[2 + side]);
    }
  }
  if (!finite) throw SiamException("ERR_NONFINITE", "update: the network's output is not finite (are these the weights of a run that diverged?)", file);
  return all;
}

TrackStep SiamFcppTracker::choose_cell(const Output& output, const Target& prior, float scale_x) {
  const ScoreMap map{output.score.data_ptr<float>(), output.box.data_ptr<float>(), moved_window_ != nullptr ? moved_window_ : &window()};
  return choose(map, prior, scale_x, options_.penalty_k, window_influence(), reader_.file());
}

Target SiamFcppTracker::next(const TrackStep& step, const Target& prior) {
  const float rate = static_cast<float>(step.penalty) * static_cast<float>(step.score) * static_cast<float>(options_.test_lr);
  return limited(moved(step, prior, search_size(), rate), frame_width_, frame_height_, options_.min_w, options_.min_h);
}

std::vector<std::pair<std::string, at::Tensor>> SiamFcppTracker::debug() const {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const auto& [name, tensor] : {std::pair{"z_crop", z_crop_}, std::pair{"x_crop", x_crop_}, std::pair{"score", score_}}) {
    if (tensor.defined()) tensors.emplace_back(name, tensor.contiguous());
  }
  tensors.emplace_back("network_seconds", at::full({1}, network_seconds_, at::kDouble));
  tensors.emplace_back("device_seconds", at::full({1}, network_->device_seconds(), at::kDouble));
  return tensors;
}

}  // namespace siam::tracking
