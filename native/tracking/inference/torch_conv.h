// A folded convolution by libtorch's operators, on any device: cuDNN's on a GPU.
#pragma once

#include <map>
#include <vector>

#include "folded_conv.h"

namespace siam::tracking::inference {

/// Weights and activations interleaved (channels_last). Thread: engine.
class TorchConv {
 public:
  /// @param type  float32, bfloat16 or float16, of weights and activations; cuDNN's sums are float32 in each
  TorchConv(FoldedConv conv, at::ScalarType type);

  /// @param x [N,I,H,W] of the type and on the device of the weights     @returns [N,O,H',W']
  at::Tensor run(const at::Tensor& x);

 private:
  at::Tensor plain(const at::Tensor& x) const;
  at::Tensor fused(const at::Tensor& x) const;
  bool fuses_well(const at::Tensor& x) const;

  at::Tensor weight_, bias_;
  ConvOptions options_;
  std::map<std::vector<int64_t>, bool> fuses_;  ///< by the size of x
};

}  // namespace siam::tracking::inference
