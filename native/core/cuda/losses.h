// The losses on CUDA: one pass for value and gradient in place of some twenty operations; see kernels/losses.cu.
#pragma once

#include <ATen/ATen.h>

namespace siam::core::cuda {

struct LossValue {
  at::Tensor loss;  ///< scalar float32; undefined where our kernels do not take the predictions: then nothing has been done
  at::Tensor mean;  ///< IoU alone: the mean of positives, without gradient
};

struct FocalKernelOptions {
  double weight, alpha, gamma, ignore_label;
  bool probabilities;  ///< with a clamped logarithm, as SigmoidCrossEntropyRetina
};

// @param pred [N,S²,1] or [N,S²,4] float32, target of that shape, label [N,S²,1] float32: shapes are checked by core/losses.cc
LossValue focal_loss(const at::Tensor& pred, const at::Tensor& label, const FocalKernelOptions& options);
LossValue centerness_loss(const at::Tensor& pred, const at::Tensor& label, double weight);
LossValue iou_loss(const at::Tensor& pred, const at::Tensor& target, const at::Tensor& label, double weight, double background, double ignore_label);

}  // namespace siam::core::cuda
