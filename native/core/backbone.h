// Feature extractors, shared by template and search branch.
#pragma once

#include <memory>
#include <string>

#include "conv_bn_relu.h"

namespace siam::core {

/// Which backbone, and the hyper-parameters of those that have any (the original's keys).
struct BackboneOptions {
  std::string name = "AlexNet";
  int64_t crop_pad = 4;      // Inception3, ShuffleNetV2: cells cut off at each side of the features
  bool pruned = true;        // Inception3: accepted, no effect, as in the original (which builds no layers behind the features)
  int64_t head_width = 256;  // ShuffleNetV2: channels of its features
  std::string path;          // TorchScript: the file
  int64_t z_size = 127;      // TorchScript: side of the template in pixels, to try it on
  ComputeMode mode;          // TorchScript: how and where it computes; filled in by SiamTrack
  at::Device device = at::kCPU;
};

/// What the task model asks of a backbone.
class Backbone : public torch::nn::Module {
 public:
  /// An image as forward() takes it. A backbone that was trained on normalised RGB images makes them here, in float32, before any cast.
  /// @param image [N,3,H,W] BGR 0..255, uint8 or float32     @returns [N,3,H,W] in the mode's dtype and memory format, folded where the mode says so
  virtual at::Tensor prepare(const at::Tensor& image, const ComputeMode& mode) const;
  /// Whether the first convolution can take its image folded (stem_fold.h): stride 2, an odd kernel, no padding.
  virtual bool can_fold() const { return false; }
  /// @param x what prepare() made: [N,3,H,W], or folded     @returns [N,width(),H',W'], total stride 8
  virtual at::Tensor forward(const at::Tensor& x) = 0;
  virtual int64_t width() const = 0;
};

/// AlexNet without padding, with BatchNorm. Source: the original's alexnet_bn; parity: test/golden/forward.
class AlexNetImpl : public Backbone {
 public:
  AlexNetImpl();
  bool can_fold() const override { return true; }
  at::Tensor forward(const at::Tensor& x) override;
  int64_t width() const override { return 256; }

 private:
  ConvBnRelu conv1{nullptr}, conv2{nullptr}, conv3{nullptr}, conv4{nullptr}, conv5{nullptr};
};

/// A very small backbone for tests, CPUs and first steps. Source: the original's tinyconv; parity: test/golden/forward.
class TinyConvImpl : public Backbone {
 public:
  TinyConvImpl();
  bool can_fold() const override { return true; }
  at::Tensor forward(const at::Tensor& x) override;
  int64_t width() const override { return 64; }

 private:
  ConvBnRelu conv1{nullptr}, conv2a{nullptr}, conv2b{nullptr}, conv3a{nullptr}, conv3b{nullptr};
};

/// @throws ERR_CONFIG for a name that is not built in
std::shared_ptr<Backbone> make_backbone(const BackboneOptions& options);

}  // namespace siam::core
