// GoogLeNet: Inception v3 up to its third group of blocks, with a stride of 8.
#pragma once

#include <vector>

#include "backbone.h"

namespace siam::core {

/// An Inception block: branches side by side over one input, their results joined in the order in which they were added.
class InceptionBlockImpl : public torch::nn::Module {
 public:
  /// One convolution of a branch, under its name in the state dict.
  struct Layer {
    const char* name;
    ConvBnReluOptions options;
  };
  enum class Pool { kNone, kAverage, kMax };

  /// A branch: a pool or none, then its convolutions.
  InceptionBlockImpl& add(Pool pool, const std::vector<Layer>& layers);
  /// @param x [N,in,H,W]     @returns [N,sum of the branches,H',W']
  at::Tensor forward(const at::Tensor& x);

 private:
  struct Branch {
    Pool pool;
    std::vector<ConvBnRelu> layers;
  };
  std::vector<Branch> branches_;
};
TORCH_MODULE(InceptionBlock);

/// Inception v3 without its last blocks and without the pool behind Conv2d_4a, then a 1×1 convolution to 256 channels (BatchNorm, no ReLU).
/// Takes RGB in [-1, 1]; every BatchNorm has eps 1e-3; the average pools count the padding.
/// Source: the original's googlenet.py (Inception3); parity: test/golden/forward. Thread: engine.
class Inception3Impl : public Backbone {
 public:
  /// @param crop_pad  cells cut off each side of the features
  explicit Inception3Impl(int64_t crop_pad);
  at::Tensor prepare(const at::Tensor& image, const ComputeMode& mode) const override;
  bool can_fold() const override { return true; }
  /// @throws ERR_SHAPE when the crop leaves nothing
  at::Tensor forward(const at::Tensor& x) override;
  int64_t width() const override { return 256; }

 private:
  int64_t crop_pad_;
  std::vector<ConvBnRelu> stem_;
  std::vector<InceptionBlock> blocks_;
  ConvSequence channel_reduce_{nullptr};
};

}  // namespace siam::core
