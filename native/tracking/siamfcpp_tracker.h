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
  struct Output {
    at::Tensor score, box;  ///< [S²], [S²,4] float32 on the CPU; outputs_of(): [M,S²], [M,S²,4]
  };
  /// Where the next frame is searched.
  struct Search {
    Target prior;
    float scale_x = 0;  ///< crop pixels for each frame pixel
    data::CropSquare square;
    std::vector<double> window;  ///< of a crop that another target is in the middle of; else none
  };
  /// A target in its first frame.
  struct First {
    Target state;
    at::Tensor z_crop, x_crop;  ///< what network_->start() takes
    data::Bgr border;
  };
  /// What a frame gave, before the tracker takes it on.
  struct Found {
    TrackStep step;
    Target target;
  };

  /// @param reader  where frames come from: its own, or one that several targets share (multi_tracker.h)
  /// @throws ERR_CONFIG when the sizes leave no score map
  SiamFcppTracker(std::shared_ptr<Network> network, const TrackerOptions& options, std::shared_ptr<FrameReader> reader = nullptr);

  void init(FrameInput frame, const Rect4& box) override;
  TrackStep update(FrameInput frame, const std::optional<Rect4>& prior) override;
  std::vector<std::pair<std::string, at::Tensor>> debug() const override;

  /// The parts of init() and update(), for several targets in one frame: it lies in the reader already.
  /// What a target looks like in its first frame. Changes nothing.     @throws as init()
  First first_look(const Rect4& box);
  /// Begins with it; the network was started with its crops.
  void begin(First first);
  /// @throws ERR_ARGUMENT before init, ERR_DATA for a frame of another size
  void check_frame() const;
  Search search(const std::optional<Rect4>& prior) const;
  /// Lets the target be searched in the crop of `other`: the window moves to where the target was, the scale is the crop's.
  void search_within(const Search& other, Search& own) const;
  /// What the network takes of `view`, which holds the square's pixels. [1,3,S,S]
  at::Tensor search_crop(const data::FrameView& view, const Search& search);
  /// The target's templates, [M,…].
  virtual const core::TemplateFeatures& templates() const { return *features_; }
  /// The outputs of M templates → one.
  virtual Output merged(const Output& outputs) const { return {outputs.score[0], outputs.box[0]}; }
  /// Changes nothing that a later frame sees.     @throws ERR_NONFINITE, and what reading the frame throws
  Found find(const Search& search, const Output& output);
  TrackStep take(Found found);

  /// Scores and boxes of what Network::evaluate() gives: [M,S²], [M,S²,4].
  /// @param cells  of the tracker's score map     @param file  named in errors
  /// @throws ERR_NONFINITE, ERR_CONFIG when the head's map has not `cells` of them
  static Output outputs_of(const at::Tensor& packed, int64_t cells, const std::string& file);
  int64_t cells() const { return static_cast<int64_t>(window().size()); }

 protected:
  /// After the template's features were taken from the first frame; `first` is all of it, valid during the call.
  virtual void initialized(const data::FrameView& first) {}
  /// Side of the next search crop, pixels.
  virtual int search_size() const { return options_.x_size; }
  /// [S²] of a search crop of search_size().
  virtual const std::vector<double>& window() const { return window_; }
  virtual double window_influence() const { return options_.window_influence; }
  /// The network on a search crop [1,3,S,S].
  virtual Output run(const at::Tensor& x_crop);
  virtual TrackStep choose_cell(const Output& output, const Target& prior, float scale_x);
  /// The target's next state.
  virtual Target next(const TrackStep& step, const Target& prior);
  /// Before the state is set to `target`: what may fail. The frame can still be read (reader_).
  virtual void prepare(const TrackStep& step, const Target& target) {}
  /// After the state was set to that of `step`; the frame can still be read (reader_).
  virtual void updated(const TrackStep& step) {}

  /// The square around `center`'s target that is a template (side z_size), or a search image.
  at::Tensor crop(const data::FrameView& view, const data::CropSquare& square) { return crop(view, square, border_); }
  at::Tensor crop(const data::FrameView& view, const data::CropSquare& square, const data::Bgr& border);
  data::CropSquare square_around(const Target& target, int out_size, float* scale = nullptr) const;

  const std::shared_ptr<Network> network_;
  const TrackerOptions options_;
  const std::vector<double> window_;
  const std::shared_ptr<FrameReader> shared_reader_;
  FrameReader& reader_;
  int frame_width_ = 0;
  int frame_height_ = 0;
  std::optional<core::TemplateFeatures> features_;
  Target state_{};
  at::Tensor z_crop_, x_crop_, score_;
  const std::vector<double>* moved_window_ = nullptr;  ///< during find(), where the search has a window of its own

 private:
  double network_seconds_ = 0;  ///< of the last run()
  data::WarpScratch scratch_;
  data::Bgr border_;
};

}  // namespace siam::tracking
