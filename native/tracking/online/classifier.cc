#include "classifier.h"

#include <ATen/ATen.h>

#include <cmath>
#include <string>

#include "../../base/error.h"
#include "augmentation.h"
#include "draws.h"
#include "joint_problem.h"
#include "label.h"

namespace siam::tracking::online {
namespace {

/// [N,C,H,W] → [N,S,C].
at::Tensor cells_of(const at::Tensor& features) { return features.permute({0, 2, 3, 1}).reshape({features.size(0), -1, features.size(1)}).contiguous(); }

/// Half to even, as torch.round.
Pair rounded(const Pair& pair) { return {std::nearbyint(pair[0]), std::nearbyint(pair[1])}; }

void check_finite(const at::Tensor& tensor, const char* what) {
  if (!tensor.isfinite().all().item<bool>()) throw SiamException("ERR_NONFINITE", std::string("SiamFCppOnlineTracker: ") + what + " is not finite");
}

}  // namespace

Model Classifier::drawn_model(const at::Tensor& x) const {
  const auto drawn = [&](Purpose purpose, at::IntArrayRef shape, double deviation) { return Draws(options_.seed, purpose).normal(shape, deviation).to(x.options()); };
  Model model;
  int64_t channels = x.size(2);
  if (options_.use_projection) {
    if (options_.pca) {
      model.projection = principal_components(x, options_.compressed_dim);
    } else {
      model.projection = drawn(Purpose::kProjection, {options_.compressed_dim, channels}, 1 / std::sqrt(static_cast<double>(channels)));
    }
    channels = model.projection.size(0);
  }
  if (options_.attends()) {
    const double deviation = 1 / std::sqrt(static_cast<double>(channels));
    model.fc1 = drawn(Purpose::kAttention1, {channels / 2, channels}, deviation);
    model.fc2 = drawn(Purpose::kAttention2, {channels, channels / 2}, deviation);
  }
  const int64_t taps = options_.kernel_rows * options_.kernel_columns;
  model.filter = options_.random_filter ? drawn(Purpose::kFilter, {taps, channels}, 1 / static_cast<double>(taps * channels)) : at::zeros({taps, channels}, x.options());
  return model;
}

Pair Classifier::label_center(const Pair& displacement) const {
  const double cells = static_cast<double>(options_.feature_side), pixels = static_cast<double>(x_size_);
  // The middle of an even filter lies between cells: its label does, too.
  return {cells * displacement[0] / pixels + (options_.kernel_rows % 2 == 0 ? 0.5 : 0), cells * displacement[1] / pixels + (options_.kernel_columns % 2 == 0 ? 0.5 : 0)};
}

void Classifier::initialize(const at::Tensor& features, std::vector<Pair> shifts, const Target& target, double scale, const std::optional<Model>& start) {
  state_.reset();
  losses_.clear();
  const int64_t side = options_.feature_side;
  if (features.size(2) != side || features.size(3) != side) {
    throw SiamException("ERR_CONFIG", "SiamFCppOnlineTracker: raw_fea_size is " + std::to_string(side) + " but the network's features of a search crop of " +
                                          std::to_string(x_size_) + " pixels are " + std::to_string(features.size(2)) + "x" + std::to_string(features.size(3)));
  }
  check_finite(features, "the network's output");
  at::Tensor all = features;
  if (options_.augmentation.enabled && options_.augmentation.dropout_samples > 0) {
    const int64_t count = options_.augmentation.dropout_samples;
    all = at::cat({features, channel_dropout(features.narrow(0, 0, 1), count, options_.augmentation.dropout_rate, options_.seed)});
    shifts.insert(shifts.end(), static_cast<size_t>(count), shifts.front());
  }
  if (all.size(0) >= options_.memory_size) {
    throw SiamException("ERR_CONFIG", "SiamFCppOnlineTracker: sample_memory_size " + std::to_string(options_.memory_size) + " has no room beside the " +
                                          std::to_string(all.size(0)) + " samples of the first frame");
  }

  const Pair position{target.cy, target.cx}, size{target.h, target.w};
  const double cell = static_cast<double>(side) / static_cast<double>(x_size_) * scale;  // cells for each frame pixel
  const double sigma = std::sqrt(cell * size[0] * cell * size[1]) * options_.sigma_factor;
  const Pair nearest = rounded(position);
  std::vector<at::Tensor> labels;
  for (const Pair& shift : shifts) {
    labels.push_back(gaussian_label(side, sigma, label_center({position[0] - nearest[0] + shift[0], position[1] - nearest[1] + shift[1]})));
  }
  Samples samples{cells_of(all), at::stack(labels).to(all.options()), at::full({all.size(0)}, 1.0 / static_cast<double>(all.size(0)), all.options())};

  State state{start ? *start : drawn_model(samples.x), position, size, scale, sigma, side, side, 0, std::nullopt,
              ConjugateGradient(options_.fletcher_reeves, options_.direction_forget_factor)};
  const bool together = options_.use_projection && options_.learn_projection;
  if (together) state.model = learned_together(state.model, samples);
  samples.x = compress(samples.x, state.model, options_);
  state.memory.emplace(samples, options_.memory_size, options_.init_samples_minimum_weight);
  if (!together) train(state, options_.init_steps_without_projection);
  train(state, options_.post_init_steps);
  check_finite(state.model.filter, "the filter that was learned");
  state_ = std::move(state);
}

Model Classifier::learned_together(Model model, const Samples& samples) {
  const auto problem = JointProblem::make(samples, options_);
  ConjugateGradient solver(/*fletcher_reeves=*/true, /*forget=*/0);
  Variables x = problem->pack(model);
  for (const int64_t steps : options_.init_steps) {
    if (steps == 0) continue;
    x = gauss_newton_step(*problem, solver, x, steps);
    losses_.push_back(problem->loss());
  }
  problem->linearize(x);
  losses_.push_back(problem->loss());
  return problem->unpack(x);
}

void Classifier::train(State& state, int64_t steps) {
  if (steps == 0) return;
  FilterProblem problem(state.memory->samples(), options_);
  state.model.filter = gauss_newton_step(problem, state.solver, {state.model.filter}, steps)[0];
}

Classifier::Scores Classifier::score(const at::Tensor& features) const {
  const State& state = *state_;
  const Kernel kernel{options_.kernel_rows, options_.kernel_columns};
  Scores scores;
  scores.sample = compress(cells_of(features), state.model, options_);
  scores.map = score_map(respond(scores.sample, state.model.filter, kernel, state.height, state.width)[0], kernel);
  check_finite(scores.map, "the online score");
  scores.found = localize(scores.map, state.size[0] * state.scale, state.size[1] * state.scale, x_size_, options_);
  return scores;
}

void Classifier::learn(const Scores& scores, const Target& target) {
  State& state = *state_;
  const bool hard_negative = scores.found == Found::kHardNegative;
  const Pair sampled_at = rounded(state.position);
  Pair position = state.position, size = state.size;
  if (scores.found != Found::kNotFound) {
    // The original hands over centre and size where its classifier takes left-top corner and size: from the second frame on its position
    // is the target's right-bottom corner. Only differences of positions matter, so the first learned label alone is off (by half a target).
    position = {target.cy + (target.h - 1) / 2, target.cx + (target.w - 1) / 2};
    size = {target.h, target.w};
  }
  const bool learns = scores.found == Found::kNormal || hard_negative;
  const int64_t steps = hard_negative ? options_.hard_negative_steps : (state.frames + 1) % options_.train_skipping == 0 ? options_.update_steps : 0;
  const at::Tensor filter = state.model.filter;
  const ConjugateGradient solver = state.solver;
  try {
    if (learns) {
      const at::Tensor label = gaussian_label(state.height, state.sigma, label_center({position[0] - sampled_at[0], position[1] - sampled_at[1]}));
      state.memory->add(scores.sample, label.to(scores.sample.options()), hard_negative ? options_.hard_negative_learning_rate : options_.learning_rate);
    }
    train(state, steps);
    if (steps > 0) check_finite(state.model.filter, "the filter that was learned");
  } catch (...) {
    state.memory->undo();
    state.model.filter = filter;
    state.solver = solver;
    throw;
  }
  state.memory->commit();
  state.position = position;
  state.size = size;
  state.frames += 1;
}

}  // namespace siam::tracking::online
