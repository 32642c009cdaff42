// SiamFC++'s tracker: template features once, then for each frame crop → features → head → box.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <optional>
#include <vector>

#include "../data/warp.h"
#include "network.h"
#include "target.h"
#include "tracker.h"

namespace siam::tracking {

/// Boxes are computed in float32, as the original's state is (QUIRKS 28: the scale's precision decides boxes). The frame's size is that of
/// the first frame: the centre is kept in [0, width] × [0, height], the size in [min, width or height].
/// The original's other trackers differ from it in some steps: those are virtual.
/// Source: SiamFC++ (AAAI 2020) §3.5; parity: test/golden/tracker. Thread: engine.
class SiamFcppTracker : public Tracker {
 public:
  /// @throws ERR_CONFIG when the sizes leave no score map
  SiamFcppTracker(std::shared_ptr<Network> network, const TrackerOptions& options);

  void init(FrameInput frame, const Rect4& box) override;
  TrackStep update(FrameInput frame, const std::optional<Rect4>& prior) override;
  std::vector<std::pair<std::string, at::Tensor>> debug() const override;

 protected:
  struct Output {
    at::Tensor score, box;  ///< [S²], [S²,4] float32 on the CPU
  };

  /// After the template's features were taken from the first frame; `first` is all of it, valid during the call.
  virtual void initialized(const data::FrameView& first) {}
  /// Side of the next search crop, pixels.
  virtual int search_size() const { return options_.x_size; }
  /// The network on a search crop [1,3,S,S].
  virtual Output run(const at::Tensor& x_crop);
  virtual TrackStep choose_cell(const Output& output, const Target& prior, float scale_x);
  /// The target's next state.
  virtual Target next(const TrackStep& step, const Target& prior);
  /// After the state was set to that of `step`; the frame can still be read (reader_).
  virtual void updated(const TrackStep& step) {}

  /// The square around `center`'s target that is a template (side z_size), or a search image.
  at::Tensor crop(const data::FrameView& view, const data::CropSquare& square);
  data::CropSquare square_around(const Target& target, int out_size, float* scale = nullptr) const;
  /// Score and box of a head's output in one copy from the device. @throws ERR_NONFINITE, ERR_CONFIG when there are not `cells` of them
  Output fetch(const core::HeadOutput& head, int64_t cells) const;

  const std::shared_ptr<Network> network_;
  const TrackerOptions options_;
  const std::vector<double> window_;
  FrameReader reader_;
  int frame_width_ = 0;
  int frame_height_ = 0;
  std::optional<core::TemplateFeatures> features_;
  Target state_{};
  at::Tensor z_crop_, x_crop_, score_;

 private:
  data::WarpScratch scratch_;
  data::Bgr border_;
};

}  // namespace siam::tracking
