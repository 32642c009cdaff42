#include "sampler.h"

#include <algorithm>
#include <utility>

#include "../base/error.h"

namespace siam::data {
namespace {

// The original redraws for ever; a data set whose boxes the filter all rejects must end in an error instead.
constexpr int kFilterTries = 1000;

}  // namespace

PairSampler::PairSampler(Datasets datasets, SamplerConfig config) : datasets_(std::move(datasets)), config_(config) {
  double total = 0;
  for (const auto& dataset : datasets_) {
    total += std::max(0.0, dataset->ratio());
    cumulative_.push_back(total);
  }
  if (datasets_.empty()) throw SiamException("ERR_DATA", "Expected at least one data set to sample from");
  if (!(total > 0)) throw SiamException("ERR_DATA", "Expected a positive ratio for at least one data set");
}

FrameRef PairSampler::DrawSequence(SampleDraws& draws) const {
  const double at = draws.Uniform() * cumulative_.back();
  const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end(), at);
  FrameRef ref;
  ref.dataset = static_cast<uint32_t>(std::min<ptrdiff_t>(found - cumulative_.begin(), static_cast<ptrdiff_t>(cumulative_.size()) - 1));
  // Numbers from sequences() on are the stills without objects.
  ref.sequence = draws.Below(datasets_[ref.dataset]->sequences() + datasets_[ref.dataset]->empty_stills());
  return ref;
}

FrameRef PairSampler::DrawFrame(SampleDraws& draws) const {
  FrameRef ref = DrawSequence(draws);
  // The original gives a still without objects one box that its filter then refuses.
  ref.frame = draws.Below(IsEmptyStill(ref) ? 1 : datasets_[ref.dataset]->frames(ref.sequence));
  return ref;
}

bool PairSampler::Passes(const FrameRef& ref, const FrameSizeOf& size_of) const {
  if (IsEmptyStill(ref)) return false;
  const Xyxy& box = Box(ref);
  if (const char* problem = BoxProblem(box)) throw SiamException("ERR_DATA", std::string("unusable box: ") + problem, Path(ref));
  const FilterConfig& filter = config_.filter;
  if (!filter.enabled) return true;
  // float32, with the small number on one side only, as the original: exactly 10:1 passes standing and not lying (QUIRKS 1).
  const float w = box[2] - box[0] + 1, h = box[3] - box[1] + 1;
  const float ratio = h / (w + 1e-6f);
  if (!(std::max(ratio, 1.0f / std::max(ratio, 1e-6f)) < static_cast<float>(filter.max_ratio))) return false;
  if (!filter.apply_area_limits) return true;
  const FrameSize size = size_of(ref);
  const double rate = static_cast<double>(w) * h / (static_cast<double>(size.width) * size.height);
  return filter.min_area_rate < rate && rate < filter.max_area_rate;
}

PairRef PairSampler::Draw(SampleDraws& draws, const FrameSizeOf& size_of) const {
  PairRef pair;
  pair.negative = draws.Uniform() < config_.negative_pair_ratio;
  for (int i = 0; i < kFilterTries; ++i) {
    pair.z = DrawFrame(draws);
    const DatasetIndex& dataset = *datasets_[pair.z.dataset];
    const uint32_t length = IsEmptyStill(pair.z) ? 1 : dataset.frames(pair.z.sequence);
    if (pair.negative) {
      pair.x = DrawFrame(draws);
    } else if (dataset.still() || length == 1) {
      pair.x = pair.z;
    } else {
      const int64_t first = std::max<int64_t>(0, int64_t{pair.z.frame} - dataset.max_diff());
      const int64_t last = config_.symmetric_window ? std::min<int64_t>(length - 1, int64_t{pair.z.frame} + dataset.max_diff()) : length - 1;
      pair.x = pair.z;
      pair.x.frame = static_cast<uint32_t>(first + draws.Below(static_cast<uint32_t>(last - first + 1)));
    }
    if (Passes(pair.z, size_of) && Passes(pair.x, size_of)) return pair;
  }
  const bool empty = IsEmptyStill(pair.x);
  throw SiamException("ERR_DATA", "the filter rejected " + std::to_string(kFilterTries) + " pairs in a row, the last one of " + dataset(pair.x).name() +
                                      (empty ? ", a picture without an object" : ""),
                      empty ? "" : Path(pair.x));
}

}  // namespace siam::data
