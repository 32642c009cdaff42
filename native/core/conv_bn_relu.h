#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

#include <optional>
#include <string>
#include <vector>

#include "norm_act.h"

namespace siam::core {

/// How activations are computed: float32, bfloat16, or (CUDA) float16; parameters are always float32.
struct ComputeMode {
  at::ScalarType dtype = at::kFloat;
  at::MemoryFormat format = at::MemoryFormat::Contiguous;
  /// Images come folded (stem_fold.h).
  bool fold = false;
};

struct ConvBnReluOptions {
  int64_t in, out;
  torch::ExpandingArray<2> kernel;  // one number, or {height, width}
  int64_t stride = 1, groups = 1;
  bool bn = true, relu = true;
  double bn_eps = 1e-5;
  bool bias = true;
  torch::ExpandingArray<2> padding = 0;
};

/// What keeps casts of its weights over one step, so that template and search branch share one cast and its gradient.
class KeepsCastWeights {
 public:
  virtual ~KeepsCastWeights() = default;
  /// Forgets the weights cast for the last step; the next forward casts anew.
  virtual void drop_cast_weights() = 0;
};

/// Gathers the counts of batches (BatchNorm's num_batches_tracked) of all units that run on this thread while it lives, and adds them at once:
/// on a GPU each addition is a kernel of its own.
class BatchCounts {
 public:
  BatchCounts();
  ~BatchCounts();
  BatchCounts(const BatchCounts&) = delete;
  BatchCounts& operator=(const BatchCounts&) = delete;
  /// Adds what was gathered. Without it (an exception) nothing is counted.
  void commit();

 private:
  friend void count_batch(const at::Tensor& counter);
  std::vector<at::Tensor> once_, again_;
  BatchCounts* outer_;
};

/// Convolution, BatchNorm and ReLU as one computation over a Conv2d and a BatchNorm2d; whoever owns it registers both under its own names.
class ConvUnit {
 public:
  explicit ConvUnit(const ConvBnReluOptions& options);

  /// @param x [N,in,H,W] in the mode's dtype and memory format     @returns [N,out,H',W']
  at::Tensor forward(const at::Tensor& x);
  /// The same, with the maximum over 3×3 windows behind it. For units with BatchNorm and ReLU.
  at::Tensor forward_pooled(const at::Tensor& x, const PoolShape& pool);
  void drop_cast_weight() { cast_weight_.reset(); }

  torch::nn::Conv2d conv{nullptr};
  torch::nn::BatchNorm2d bn{nullptr};

 private:
  const at::Tensor& weight_as(at::ScalarType dtype);
  std::optional<at::Tensor> bias_as(at::ScalarType dtype) const;
  at::Tensor convolve(const at::Tensor& x, const std::optional<at::Tensor>& bias);
  at::Tensor normalise(const at::Tensor& x, const PoolShape* pool);

  ConvBnReluOptions options_;
  at::Tensor cast_weight_;
};

/// Convolution (without padding unless told), BatchNorm and ReLU, the original's conv_bn_relu; parameters `conv.*` and `bn.*`.
class ConvBnReluImpl : public torch::nn::Module, public KeepsCastWeights {
  ConvUnit unit_;  // first: `conv` and `bn` are its own

 public:
  explicit ConvBnReluImpl(const ConvBnReluOptions& options);

  /// @param x [N,in,H,W] in the mode's dtype and memory format     @returns [N,out,H',W']
  at::Tensor forward(const at::Tensor& x) { return unit_.forward(x); }
  at::Tensor forward_pooled(const at::Tensor& x, const PoolShape& pool) { return unit_.forward_pooled(x, pool); }
  void drop_cast_weights() override { unit_.drop_cast_weight(); }

  torch::nn::Conv2d conv;
  torch::nn::BatchNorm2d bn;
};
TORCH_MODULE(ConvBnRelu);

/// Several such units one after the other, with the names that Python's nn.Sequential gives them: convolution, BatchNorm and ReLU each take
/// the next number (`0.weight`, `1.weight`, then `3.weight` where a ReLU was 2).
class ConvSequenceImpl : public torch::nn::Module, public KeepsCastWeights {
 public:
  explicit ConvSequenceImpl(const std::vector<ConvBnReluOptions>& units);

  /// @param x [N,in of the first,H,W]     @returns [N,out of the last,H',W']
  at::Tensor forward(const at::Tensor& x);
  /// The same, with the maximum over 3×3 windows behind the last.
  at::Tensor forward_pooled(const at::Tensor& x, const PoolShape& pool);
  void drop_cast_weights() override;

 private:
  std::vector<ConvUnit> units_;
};
TORCH_MODULE(ConvSequence);

}  // namespace siam::core
