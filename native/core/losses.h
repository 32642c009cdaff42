// The original's losses, with its masks, normalisation and edge cases. Parity: test/golden/losses. Thread: engine.
#pragma once

#include <ATen/ATen.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace siam::core {

using TensorMap = std::map<std::string, at::Tensor>;

struct LossOutput {
  at::Tensor loss;                                         ///< scalar, float32
  std::vector<std::pair<std::string, at::Tensor>> extras;  ///< scalars without gradient
};

class Loss {
 public:
  virtual ~Loss() = default;
  /// @param in predictions cls_pred, ctr_pred [N,S²,1], box_pred [N,S²,4] and targets cls_gt, ctr_gt [N,S²,1], box_gt [N,S²,4], those it needs
  /// @throws ERR_SHAPE when one is missing or their shapes differ
  virtual LossOutput forward(const TensorMap& in) const = 0;
};

struct FocalOptions {
  double weight = 1, alpha = 0.5, gamma = 0;
  double ignore_label = -1;
};

/// Focal loss from logits (binary cross entropy with logits): stable when saturated.
std::unique_ptr<Loss> make_focal_loss(const FocalOptions& options);
/// Focal loss from probabilities with a clamped logarithm: equal to the above at ordinary logits, not when saturated.
std::unique_ptr<Loss> make_sigmoid_ce_retina(const FocalOptions& options);
/// Binary cross entropy of the centre-ness minus the target's own entropy, over ctr_gt ≠ 0.
std::unique_ptr<Loss> make_sigmoid_ce_centerness(double weight);
/// −ln IoU with +1 areas over positives; extra `iou` is their mean IoU.
std::unique_ptr<Loss> make_iou_loss(double weight, double background = 0, double ignore_label = -1);

}  // namespace siam::core
