// The classifier that is learned while tracking: projection, attention and a small filter on the network's features.
#pragma once

#include <optional>
#include <vector>

#include "../target.h"
#include "conjugate_gradient.h"
#include "localization.h"
#include "model.h"
#include "sample_memory.h"

namespace siam::tracking::online {

/// Its computation has the dtype and the device of the features.
/// Source: ATOM (CVPR 2019), DROL (AAAI 2020) and the original's online_classifier; parity: test/native/online-classifier. Thread: engine.
class Classifier {
 public:
  Classifier(const OnlineOptions& options, int64_t x_size) : options_(options), x_size_(x_size) {}

  /// Learns from the first frame. @param features [N,C,H,W], of the samples before dropout     @param shifts  the N samples', search crop pixels
  /// @param start  what the model begins with; drawn from the seed where it is empty     @param scale  search crop pixels for each frame pixel
  /// @throws ERR_CONFIG for features of another size than the options say, ERR_NONFINITE     After an error there is no model.
  void initialize(const at::Tensor& features, std::vector<Pair> shifts, const Target& target, double scale, const std::optional<Model>& start = {});
  bool initialized() const { return state_.has_value(); }
  void reset() { state_.reset(); }

  struct Scores {
    at::Tensor sample;  ///< [1,S,C]
    at::Tensor map;     ///< [M,M] float64 on the CPU
    Found found = Found::kNormal;
  };
  /// @param features [1,C,H,W] of the search crop     @throws ERR_NONFINITE
  Scores score(const at::Tensor& features) const;

  /// Learns from the frame that was scored, now that the target is known. @param target  its new state
  /// @throws ERR_NONFINITE; nothing has changed then
  void learn(const Scores& scores, const Target& target);

  // For tests and debugging.
  const Model& model() const { return state_->model; }
  const SampleMemory& memory() const { return *state_->memory; }
  /// ‖f‖² before each Gauss-Newton step of initialize(), and after the last.
  const std::vector<double>& losses() const { return losses_; }
  /// What the options say, cut to what the network has: a principal component for each channel at most.
  Model drawn_model(const at::Tensor& x) const;

 private:
  struct State {
    Model model;
    Pair position, size;  ///< rows, columns; frame pixels
    double scale, sigma;
    int64_t height, width;
    int64_t frames = 0;   ///< since the first
    std::optional<SampleMemory> memory;
    ConjugateGradient solver;
  };

  Model learned_together(Model model, const Samples& samples);
  void train(State& state, int64_t steps);
  Pair label_center(const Pair& displacement) const;

  const OnlineOptions options_;
  const int64_t x_size_;
  std::optional<State> state_;
  std::vector<double> losses_;
};

}  // namespace siam::tracking::online
