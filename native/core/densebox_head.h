#pragma once

#include <string>
#include <vector>

#include "conv_bn_relu.h"

namespace siam::core {

struct DenseboxHeadOptions {
  int64_t total_stride = 8, score_size = 17, x_size = 303, num_conv3x3 = 3, width = 256;
  std::vector<bool> conv_bn = {false, false, true};
  double conv_weight_std = 1e-4;
  bool input_size_adapt = false;
};

struct HeadOutput {
  at::Tensor cls;       ///< [N,S²,1] classification logits
  at::Tensor ctr;       ///< [N,S²,1] centre-ness logits
  at::Tensor box;       ///< [N,S²,4] x0,y0,x1,y1 in pixels of the search crop
  at::Tensor corr_fea;  ///< [N,width,S,S] features before the classification score
};

/// FCOS-style head: two towers of 3×3 convolutions, three 1×1 outputs with BatchNorm, distances exp(si·o + bi)·stride.
/// Source: SiamFC++ (AAAI 2020) §3.2 and the original's DenseboxHead; parity: test/golden/forward. Thread: engine.
class DenseboxHeadImpl : public torch::nn::Module {
 public:
  explicit DenseboxHeadImpl(const DenseboxHeadOptions& options);

  /// @param c_out, r_out [N,width,H,H] correlation features     @param x_size  size of the search crop in pixels (used with input_size_adapt)
  /// @throws ERR_SHAPE when the score map is not score_size² (and input_size_adapt is off)
  HeadOutput forward(const at::Tensor& c_out, const at::Tensor& r_out, int64_t x_size);

 private:
  at::Tensor grid(int64_t size, int64_t x_size, const at::Tensor& like) const;

  DenseboxHeadOptions options_;
  at::Tensor bi_, si_;
  std::vector<ConvBnRelu> cls_tower_, box_tower_;
  ConvBnRelu cls_score_{nullptr}, ctr_score_{nullptr}, box_offsets_{nullptr};
};
TORCH_MODULE(DenseboxHead);

}  // namespace siam::core
