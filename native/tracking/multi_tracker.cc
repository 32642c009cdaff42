#include "multi_tracker.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "../base/error.h"

namespace siam::tracking {
namespace {

/// Crops that go through the network at once: activations of more take memory and gain no time.
constexpr size_t kMostCrops = 8;

/// Windows whose middles are within this share of their side, and whose scales differ by no more than this factor, are one.
constexpr double kSharedShift = 0.1;
constexpr double kSharedScale = 1.05;

bool nearly_one(const SiamFcppTracker::Search& a, const SiamFcppTracker::Search& b) {
  const double scale = static_cast<double>(a.scale_x) / static_cast<double>(b.scale_x);
  const double most = kSharedShift * a.square.size;
  return a.square.out_size == b.square.out_size && std::max(scale, 1 / scale) <= kSharedScale && std::abs(a.square.cx - b.square.cx) <= most &&
         std::abs(a.square.cy - b.square.cy) <= most;
}

data::Rect united(const data::Rect& a, const data::Rect& b) {
  const int x = std::min(a.x, b.x), y = std::min(a.y, b.y);
  return {x, y, std::max(a.x + a.width, b.x + b.width) - x, std::max(a.y + a.height, b.y + b.height) - y};
}

core::TemplateFeatures joined(const std::vector<core::TemplateFeatures>& each) {
  if (each.size() == 1) return each.front();
  std::vector<at::Tensor> c, r;
  for (const auto& features : each) {
    c.push_back(features.c_z_k);
    r.push_back(features.r_z_k);
  }
  return {at::cat(c, 0), at::cat(r, 0)};
}

}  // namespace

std::vector<MultiTracker::Target> MultiTracker::started(const std::vector<Rect4>& boxes, int64_t first_id, bool alone) const {
  std::vector<Target> targets;
  std::vector<SiamFcppTracker::First> looks;
  std::vector<at::Tensor> z_crops, x_crops;
  for (const Rect4& box : boxes) {
    auto tracker = make_(reader_);
    looks.push_back(tracker->first_look(box));
    z_crops.push_back(looks.back().z_crop);
    x_crops.push_back(looks.back().x_crop);
    targets.push_back({first_id + static_cast<int64_t>(targets.size()), std::move(tracker)});
  }
  if (targets.empty()) return targets;
  if (alone) network_->start(at::cat(z_crops), at::cat(x_crops));
  for (size_t i = 0; i < targets.size(); ++i) targets[i].tracker->begin(std::move(looks[i]));
  return targets;
}

std::vector<int64_t> MultiTracker::init(FrameInput frame, const std::vector<Rect4>& boxes) {
  reader_->open(std::move(frame));
  auto targets = started(boxes, 0, /*alone=*/true);
  // What an empty list starts with is found out, too.
  if (targets.empty()) reader_->whole();
  targets_ = std::move(targets);
  next_id_ = static_cast<int64_t>(targets_.size());
  frame_width_ = reader_->width();
  frame_height_ = reader_->height();
  std::vector<int64_t> ids;
  for (const auto& target : targets_) ids.push_back(target.id);
  return ids;
}

std::vector<int64_t> MultiTracker::add(FrameInput frame, const std::vector<Rect4>& boxes) {
  if (frame_width_ == 0) throw SiamException("ERR_ARGUMENT", "add: Expected init() with the first frame before it");
  reader_->open(std::move(frame));
  if (reader_->width() != frame_width_ || reader_->height() != frame_height_) {
    throw SiamException("ERR_DATA", "add: Expected a frame of " + std::to_string(frame_width_) + "x" + std::to_string(frame_height_) + " as the first one but received " +
                                        std::to_string(reader_->width()) + "x" + std::to_string(reader_->height()),
                        reader_->file());
  }
  // Beside others the network stays as it is: their boxes must not change.
  auto added = started(boxes, next_id_, /*alone=*/targets_.empty());
  std::vector<int64_t> ids;
  for (auto& target : added) {
    ids.push_back(target.id);
    targets_.push_back(std::move(target));
  }
  next_id_ += static_cast<int64_t>(ids.size());
  return ids;
}

bool MultiTracker::remove(int64_t id) {
  const auto found = std::find_if(targets_.begin(), targets_.end(), [id](const Target& target) { return target.id == id; });
  if (found == targets_.end()) return false;
  targets_.erase(found);
  return true;
}

std::vector<MultiTracker::TargetStep> MultiTracker::update(FrameInput frame) {
  if (frame_width_ == 0) throw SiamException("ERR_ARGUMENT", "update: Expected init() with the first frame before it");
  reader_->open(std::move(frame));
  if (targets_.empty()) return {};
  targets_.front().tracker->check_frame();

  std::vector<SiamFcppTracker::Search> searches;
  std::optional<data::Rect> seen;
  for (const auto& target : targets_) {
    searches.push_back(target.tracker->search(std::nullopt));
    const data::Rect part = data::Clipped(data::Footprint(searches.back().square), frame_width_, frame_height_);
    seen = seen ? united(*seen, part) : part;
  }
  const data::FrameView view = reader_->region(*seen);

  const std::vector<size_t> crop_of = shared_crops(searches);
  std::vector<at::Tensor> crops(targets_.size());
  std::map<int, std::vector<size_t>> by_size;  // lost targets search farther than others
  for (size_t i = 0; i < targets_.size(); ++i) {
    if (crop_of[i] != i) continue;
    crops[i] = targets_[i].tracker->search_crop(view, searches[i]);
    by_size[searches[i].square.out_size].push_back(i);
  }
  std::vector<SiamFcppTracker::Output> outputs(targets_.size());
  for (const auto& [size, all] : by_size) {
    for (size_t from = 0; from < all.size(); from += kMostCrops) {
      run({all.begin() + static_cast<std::ptrdiff_t>(from), all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), from + kMostCrops))}, crop_of, crops, outputs);
    }
  }

  // First all that may fail, then what changes the targets.
  std::vector<SiamFcppTracker::Found> found;
  for (size_t i = 0; i < targets_.size(); ++i) found.push_back(targets_[i].tracker->find(searches[i], outputs[i]));
  std::vector<TargetStep> steps;
  for (size_t i = 0; i < targets_.size(); ++i) steps.push_back({targets_[i].id, targets_[i].tracker->take(found[i])});
  return steps;
}

std::vector<size_t> MultiTracker::shared_crops(std::vector<SiamFcppTracker::Search>& searches) const {
  std::vector<size_t> crop_of;
  for (size_t i = 0; i < searches.size(); ++i) {
    size_t owner = i;
    for (size_t k = 0; share_windows_ && owner == i && k < i; ++k) {
      if (crop_of[k] == k && nearly_one(searches[k], searches[i])) owner = k;
    }
    if (owner != i) targets_[i].tracker->search_within(searches[owner], searches[i]);
    crop_of.push_back(owner);
  }
  return crop_of;
}

void MultiTracker::run(const std::vector<size_t>& owners, const std::vector<size_t>& crop_of, const std::vector<at::Tensor>& crops,
                       std::vector<SiamFcppTracker::Output>& outputs) const {
  std::vector<at::Tensor> batch;
  std::vector<size_t> targets;
  std::vector<core::TemplateFeatures> templates;
  std::vector<int64_t> rows;  // the search image of each template
  for (const size_t owner : owners) {
    for (size_t i = 0; i < targets_.size(); ++i) {
      if (crop_of[i] != owner) continue;
      targets.push_back(i);
      templates.push_back(targets_[i].tracker->templates());
      rows.insert(rows.end(), static_cast<size_t>(templates.back().c_z_k.size(0)), static_cast<int64_t>(batch.size()));
    }
    batch.push_back(crops[owner]);
  }
  const at::Tensor seen = network_->evaluate(batch.size() == 1 ? batch.front() : at::cat(batch, 0), joined(templates), rows);
  const auto all = SiamFcppTracker::outputs_of(seen, targets_[targets.front()].tracker->cells(), reader_->file());
  int64_t row = 0;
  for (size_t t = 0; t < targets.size(); ++t) {
    const int64_t count = templates[t].c_z_k.size(0);
    outputs[targets[t]] = targets_[targets[t]].tracker->merged({all.score.slice(0, row, row + count), all.box.slice(0, row, row + count)});
    row += count;
  }
}

}  // namespace siam::tracking
