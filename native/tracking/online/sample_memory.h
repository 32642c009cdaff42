// The samples that the filter learns from: the first frame's, and the weightiest of those that followed.
#pragma once

#include <optional>
#include <vector>

#include "filter_problem.h"

namespace siam::tracking::online {

/// Weights of the memory's places; they sum to 1. Newer samples weigh more, by 1 / (1 − learning rate) each; the first frame's samples
/// keep a share together. Source: ATOM (CVPR 2019) and the original's update of weights; parity: test/native/online-classifier.
class SampleWeights {
 public:
  /// @param first  samples of the first frame, first ≤ capacity     @param minimum  their least share, 0 for none
  SampleWeights(int64_t first, int64_t capacity, double minimum);

  /// Weighs a new sample. @returns the place that it takes: the least weighty one's, never one of the first frame's while they keep a share
  int64_t add(double learning_rate);

  const std::vector<double>& values() const { return values_; }
  /// Places that hold a sample are the first `stored`.
  int64_t stored() const { return stored_; }

 private:
  int64_t first_, stored_;
  double minimum_;
  std::optional<int64_t> last_;
  std::vector<double> values_;
};

/// The samples themselves, compressed, with their labels. The memory is taken from the system as samples come.
class SampleMemory {
 public:
  /// @param first  the first frame's samples; their weights are not looked at
  SampleMemory(const Samples& first, int64_t capacity, double minimum);

  /// @param x [1,S,C], y [H,W]
  void add(const at::Tensor& x, const at::Tensor& y, double learning_rate);
  /// Takes the last add() back; nothing where there was none since the last commit().
  void undo();
  void commit() { before_.reset(); }

  /// What is stored, without copies.
  Samples samples() const;
  const SampleWeights& weights() const { return weights_; }

 private:
  struct Before {
    int64_t place;
    at::Tensor x, y;
    SampleWeights weights;
  };

  at::Tensor x_, y_;  // [capacity,S,C], [capacity,H,W]
  SampleWeights weights_;
  std::optional<Before> before_;
};

}  // namespace siam::tracking::online
