// SiamFC++'s tracker: template features once, then for each frame crop → features → head → box.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <optional>
#include <vector>

#include "../core/siam_track.h"
#include "../data/warp.h"
#include "frame_reader.h"

namespace siam::tracking {

/// x, y, w, h of a rectangle in pixels; x, y is its left-top corner, the centre lies at x + (w − 1) / 2.
using Rect4 = std::array<double, 4>;

struct TrackerOptions {
  int total_stride = 8;
  double context_amount = 0.5;
  double test_lr = 0.52;           ///< how fast the target's size follows the network
  double penalty_k = 0.04;         ///< how much a change of size or ratio costs
  double window_influence = 0.21;  ///< share of the window (motion model) in the score
  bool cosine_window = true;
  int z_size = 127;
  int x_size = 303;
  int num_conv3x3 = 3;
  double min_w = 10;
  double min_h = 10;

  /// Cells of the score map on each side.
  int score_size() const { return (x_size - z_size) / total_stride + 1 - 2 * num_conv3x3; }
};

struct TrackStep {
  Rect4 box{};               ///< the target in the frame
  double score = 0;          ///< the network's at the chosen cell
  int64_t best_index = 0;    ///< row-major cell of the score map
  double pscore = 0;         ///< the score after penalty and window: what was maximised
  double penalty = 0;
  double scale_x = 0;        ///< crop pixels for each frame pixel
  Rect4 box_in_crop{};       ///< cx, cy, w, h
};

/// Boxes are computed in float32, as the original's state is (QUIRKS 28: the scale's precision decides boxes). The frame's size is that of
/// the first frame: the centre is kept in [0, width] × [0, height], the size in [min, width or height].
/// Source: SiamFC++ (AAAI 2020) §3.5; parity: test/golden/tracker. Thread: engine.
class SiamFcppTracker {
 public:
  /// @param model  kept; it is in evaluation mode during each call and as it was after it
  /// @throws ERR_CONFIG when the sizes leave no score map
  SiamFcppTracker(core::SiamTrack model, const TrackerOptions& options);

  /// Takes the target's look from its first frame.
  /// @throws ERR_ARGUMENT when the box has no area or lies outside of the frame, and whatever reading the frame throws
  void init(FrameInput frame, const Rect4& box);

  /// Finds the target in the next frame.
  /// @param prior  where it was, instead of where the last update saw it
  /// @throws ERR_ARGUMENT before init(), ERR_DATA when the frame's size is another than the first one's, ERR_NONFINITE when the
  ///         network's output is; the state then stays that of the last good frame
  TrackStep update(FrameInput frame, const std::optional<Rect4>& prior);

  /// Crops [1,3,S,S] uint8 and score map [S²] of the last call, for tests and debugging.
  std::vector<std::pair<std::string, at::Tensor>> debug() const;

 private:
  struct State {
    float cx, cy, w, h;
  };
  struct Output {
    at::Tensor score, box;  ///< [S²], [S²,4] float32 on the CPU
  };

  at::Tensor crop(const data::FrameView& view, const data::CropSquare& square);
  Output run(const at::Tensor& x_crop);
  TrackStep choose(const Output& output, const State& prior, float scale_x) const;
  State next_state(const TrackStep& step, const State& prior) const;
  static State state_of(const Rect4& box);

  core::SiamTrack model_;
  const TrackerOptions options_;
  std::vector<double> window_;
  FrameReader reader_;
  data::WarpScratch scratch_;
  data::Bgr border_;
  int frame_width_ = 0;
  int frame_height_ = 0;
  std::optional<core::TemplateFeatures> features_;
  State state_{};
  at::Tensor z_crop_, x_crop_, score_;
};

}  // namespace siam::tracking
