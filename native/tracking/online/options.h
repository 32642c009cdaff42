// The online classifier's hyper-parameters, with the original's defaults.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "activation.h"

namespace siam::tracking::online {

/// Rows, columns.
using Pair = std::array<double, 2>;

/// How the first frame becomes many samples.
struct AugmentationOptions {
  bool enabled = true;             ///< else only the crop itself is learned from
  double expansion = 2;            ///< side of the crop that is cut for augmentation, in search crops
  double random_shift = 1.0 / 3;   ///< extent of the random shift of flipped, blurred, scaled and rotated samples, in search crops
  std::vector<Pair> shifts;        ///< pixels
  std::vector<Pair> relative_shifts{{0.6, 0.6}, {-0.6, 0.6}, {0.6, -0.6}, {-0.6, -0.6}};  ///< in half search crops
  bool flip = true;
  std::vector<Pair> blurs{{2, 0.2}, {0.2, 2}, {3, 1}, {1, 3}, {2, 2}};  ///< standard deviations of Gaussians, pixels
  std::vector<double> scales;      ///< sizes to divide by
  std::vector<double> rotations{5, -5, 10, -10, 20, -20, 30, -30, 45, -45, -60, 60};  ///< degrees, counter-clockwise on the screen
  int64_t dropout_samples = 7;     ///< copies of the first sample without some of its channels
  double dropout_rate = 0.2;
};

struct OnlineOptions {
  double score_weight = 0.5;  ///< share of the online score in a cell's score, 0 to 1
  uint64_t seed = 12345;

  // The model: projection, attention, filter.
  bool use_projection = true;
  bool learn_projection = true;
  int64_t compressed_dim = 128;
  bool pca = true;  ///< the projection begins with principal components, else with random numbers
  double projection_reg = 1e-4;
  Activation projection_activation;
  bool use_attention = true;
  bool channel_attention = true;
  bool spatial_attention = true;
  Activation attention_activation{Activation::Kind::kRelu, 0};
  double filter_reg = 1e-1;
  int64_t kernel_rows = 4, kernel_columns = 4;
  bool random_filter = true;  ///< else it begins with zeros
  Activation response_activation{Activation::Kind::kMlu, 0.05};
  int64_t feature_side = 26;  ///< cells of the features on each side

  AugmentationOptions augmentation;

  // Memory and labels.
  double learning_rate = 0.01;
  double init_samples_minimum_weight = 0.25;
  int64_t memory_size = 250;
  double sigma_factor = 0.25;  ///< standard deviation of a label, in targets

  // Optimisation: conjugate-gradient steps for each Gauss-Newton step, and for each update.
  std::vector<int64_t> init_steps{10, 10, 10, 10, 10, 10};
  int64_t init_steps_without_projection = 60;
  int64_t post_init_steps = 0;
  int64_t train_skipping = 10;
  int64_t update_steps = 5;
  bool fletcher_reeves = false;
  double direction_forget_factor = 0;  ///< 0: every update begins anew

  // What a score map says of the target.
  bool advanced_localization = true;
  double hard_negative_learning_rate = 0.02;
  int64_t hard_negative_steps = 5;
  double target_not_found_threshold = 0.25;
  double target_neighborhood_scale = 2.2;
  double distractor_threshold = 0.8;
  double displacement_scale = 0.8;
  double hard_negative_threshold = 0.5;

  bool attends() const { return use_attention && (channel_attention || spatial_attention); }
};

}  // namespace siam::tracking::online
