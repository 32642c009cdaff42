#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backbone.h"
#include "densebox_head.h"
#include "state_entry.h"

namespace siam::core {

struct SiamTrackOptions {
  BackboneOptions backbone;
  DenseboxHeadOptions head;
  int64_t head_width = 256;
  double conv_weight_std = 0.01;
  bool corr_fea_output = false;
  ComputeMode mode;
  at::Device device = at::kCPU;
  uint64_t seed = 0;
};

/// Template features that the tracker computes once: kernels of the classification and the regression branch, [N,width,h,h].
struct TemplateFeatures {
  at::Tensor c_z_k, r_z_k;
};

/// What a search image gives whatever the template is, so that several templates share it.
struct SearchFeatures {
  at::Tensor c_x, r_x;  ///< [N,width,H,H], of the classification and the regression branch
  at::Tensor f_x;       ///< [N,width,H',H'], the backbone's
  int64_t x_size = 0;   ///< side of the search image, pixels
};

/// The task model SiamTrack: backbone, adjustment convolutions, depthwise correlation, head.
/// Source: SiamFC++ (AAAI 2020) and the original's siamese_track; parity: test/golden/forward. Thread: engine.
class SiamTrackImpl : public torch::nn::Module {
 public:
  explicit SiamTrackImpl(const SiamTrackOptions& options);

  /// The training forward pass: the backbone runs on the template, then on the search image (two BatchNorm updates a step, as in the original).
  /// @param im_z [N,3,Hz,Hz], im_x [N,3,Hx,Hx], uint8 or float32, BGR 0..255     @throws ERR_SHAPE
  HeadOutput train_forward(const at::Tensor& im_z, const at::Tensor& im_x);

  /// Phase 'feature' of the tracker.
  TemplateFeatures template_features(const at::Tensor& im_z);
  /// The backbone alone. @returns [N,width,H',W']
  at::Tensor backbone_features(const at::Tensor& image) { return basemodel_->forward(prepare(image, "image")); }
  /// The first half of phase 'track'.
  SearchFeatures search_features(const at::Tensor& im_x);
  /// Of what search_features() gives, c_x alone: the original's `instance`.
  at::Tensor classification_features(const at::Tensor& im_x);
  /// The second half: logits are left as they are (the tracker applies the sigmoid).
  HeadOutput match(const SearchFeatures& search, const TemplateFeatures& features);

  /// Parameters and buffers as Python's state_dict() orders them: a module's own parameters, its buffers, then its children.
  std::vector<StateEntry> state_entries() const;

  const SiamTrackOptions& options() const { return options_; }

  /// Nanoseconds that images took so far from a batch's uint8 to what the first layer takes: to the device, to floating point, to the
  /// memory format. On a device what the host waited for it. Any thread.
  uint64_t copy_nanoseconds() const { return copy_nanoseconds_.load(std::memory_order_relaxed); }

 private:
  at::Tensor prepare(const at::Tensor& image, const char* name) const;
  void drop_cast_weights();

  SiamTrackOptions options_;
  mutable std::atomic<uint64_t> copy_nanoseconds_{0};
  std::shared_ptr<Backbone> basemodel_;
  DenseboxHead head_{nullptr};
  ConvBnRelu r_z_k_{nullptr}, c_z_k_{nullptr}, r_x_{nullptr}, c_x_{nullptr};
};
TORCH_MODULE(SiamTrack);

}  // namespace siam::core
