#include "sample_memory.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

namespace siam::tracking::online {

SampleWeights::SampleWeights(int64_t first, int64_t capacity, double minimum) : first_(first), stored_(first), minimum_(minimum), values_(static_cast<size_t>(capacity), 0.0) {
  std::fill_n(values_.begin(), first, 1.0 / static_cast<double>(first));
}

int64_t SampleWeights::add(double learning_rate) {
  auto& w = values_;
  const auto kept = w.begin() + first_;
  int64_t place = 0;
  if (learning_rate == 1) {
    std::fill(w.begin(), w.end(), 0.0);
    w[0] = 1;
  } else {
    place = std::min_element(minimum_ == 0 ? w.begin() : kept, w.end()) - w.begin();
    if (last_) {
      w[static_cast<size_t>(place)] = w[static_cast<size_t>(*last_)] / (1 - learning_rate);
    } else {
      for (double& value : w) value /= 1 - learning_rate;
      w[static_cast<size_t>(place)] = learning_rate;
    }
  }
  last_ = place;
  const double sum = std::accumulate(w.begin(), w.end(), 0.0);
  for (double& value : w) value /= sum;
  if (minimum_ != 0 && std::accumulate(w.begin(), kept, 0.0) < minimum_) {
    const double others = std::accumulate(kept, w.end(), 0.0);
    for (double& value : w) value /= minimum_ + others;
    std::fill(w.begin(), kept, minimum_ / static_cast<double>(first_));
  }
  stored_ = std::max(stored_, place + 1);
  return place;
}

SampleMemory::SampleMemory(const Samples& first, int64_t capacity, double minimum)
    : x_(at::empty({capacity, first.x.size(1), first.x.size(2)}, first.x.options())), y_(at::empty({capacity, first.y.size(1), first.y.size(2)}, first.y.options())),
      weights_(first.x.size(0), capacity, minimum) {
  x_.narrow(0, 0, first.x.size(0)).copy_(first.x);
  y_.narrow(0, 0, first.y.size(0)).copy_(first.y);
}

void SampleMemory::add(const at::Tensor& x, const at::Tensor& y, double learning_rate) {
  SampleWeights weights = weights_;
  const int64_t place = weights.add(learning_rate);
  before_ = Before{place, x_[place].clone(), y_[place].clone(), weights_};
  x_[place].copy_(x[0]);
  y_[place].copy_(y);
  weights_ = std::move(weights);
}

void SampleMemory::undo() {
  if (!before_) return;
  x_[before_->place].copy_(before_->x);
  y_[before_->place].copy_(before_->y);
  weights_ = before_->weights;
  before_.reset();
}

Samples SampleMemory::samples() const {
  const int64_t stored = weights_.stored();
  const std::vector<double>& values = weights_.values();
  const at::Tensor weights = at::tensor(at::ArrayRef<double>(values.data(), static_cast<size_t>(stored)), at::kDouble);
  return {x_.narrow(0, 0, stored), y_.narrow(0, 0, stored), weights.to(x_.options())};
}

}  // namespace siam::tracking::online
