// ShuffleNet V2 with a stride of 8 and features of all its stages.
#pragma once

#include <array>
#include <vector>

#include "backbone.h"

namespace siam::core {

/// Channels of the three stages.
using ShuffleNetWidths = std::array<int64_t, 3>;
constexpr ShuffleNetWidths shufflenet_x0_5() { return {48, 96, 192}; }
constexpr ShuffleNetWidths shufflenet_x1_0() { return {116, 232, 464}; }

/// The unit of ShuffleNet V2: two halves of the channels, of which one passes (or, where the width changes, is convolved too), shuffled.
class ShuffleUnitImpl : public torch::nn::Module {
 public:
  /// A unit that keeps width and resolution; its first half passes.
  explicit ShuffleUnitImpl(int64_t width);
  /// The first unit of a stage: both halves are convolved out of the whole input.
  ShuffleUnitImpl(int64_t in, int64_t out, int64_t stride);
  /// @param x [N,in,H,W]     @returns [N,out,H',W']
  at::Tensor forward(const at::Tensor& x);

 private:
  ConvSequence branch1_{nullptr}, branch2_{nullptr};
};
TORCH_MODULE(ShuffleUnit);

/// ShuffleNet V2 whose stages 3 and 4 keep the resolution (their first units have the stride 1), so that the three stages' features are
/// joined, and reduced to head_width channels by a 1×1 convolution (BatchNorm, ReLU). Takes RGB with ImageNet's mean and deviation.
/// Source: the original's shufflenet_v2.py; parity: test/golden/forward. Thread: engine.
class ShuffleNetV2Impl : public Backbone {
 public:
  /// @param crop_pad  cells cut off each side of the features     @param head_width  channels of the features
  ShuffleNetV2Impl(const ShuffleNetWidths& widths, int64_t crop_pad, int64_t head_width);
  at::Tensor prepare(const at::Tensor& image, const ComputeMode& mode) const override;
  /// @throws ERR_SHAPE when the crop leaves nothing
  at::Tensor forward(const at::Tensor& x) override;
  int64_t width() const override { return head_width_; }

 private:
  int64_t crop_pad_, head_width_;
  mutable at::Tensor mean_, deviation_;  // kept on the device: made anew each time, the host would wait for the copy
  ConvSequence conv1_{nullptr}, channel_reduce_{nullptr};
  std::vector<std::vector<ShuffleUnit>> stages_;
};

}  // namespace siam::core
