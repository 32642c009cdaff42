#include "losses.h"

#include <limits>

#include "../base/error.h"
#include "cuda/losses.h"
#include "dispatch.h"

namespace siam::core {

namespace {

const at::Tensor& need(const TensorMap& in, const char* loss, const char* name, int64_t last) {
  const auto found = in.find(name);
  if (found == in.end()) throw SiamException("ERR_SHAPE", std::string(loss) + ": expected " + name + " among its inputs");
  const at::Tensor& tensor = found->second;
  if (tensor.dim() != 3 || tensor.size(2) != last) {
    throw SiamException("ERR_SHAPE", std::string(loss) + ": expected " + name + " [N,S²," + std::to_string(last) + "] but received " + describe(tensor));
  }
  return tensor;
}

void same_grid(const char* loss, const at::Tensor& a, const at::Tensor& b) {
  if (a.size(0) != b.size(0) || a.size(1) != b.size(1)) {
    throw SiamException("ERR_SHAPE", std::string(loss) + ": prediction and target differ: " + describe(a) + " and " + describe(b));
  }
}

/// ln(max(t, smallest normal float32)), the original's SafeLog.
at::Tensor safe_log(const at::Tensor& t) { return at::log(at::maximum(t, at::scalar_tensor(std::numeric_limits<float>::min(), t.options()))); }

at::Tensor at_least_one(const at::Tensor& count) { return at::maximum(count, at::ones_like(count)); }

/// binary_cross_entropy(t, t), which ends the process's use of a GPU at a target that is not in [0, 1]: here that is a loss of NaN, and a skipped iteration.
at::Tensor own_entropy(const at::Tensor& t) {
  constexpr double kLeastLog = -100;  // as torch has it
  return (t - 1) * at::log1p(-t).clamp_min(kLeastLog) - t * at::log(t).clamp_min(kLeastLog);
}

class FocalBase : public Loss {
 public:
  explicit FocalBase(const FocalOptions& options) : options_(options) {}

 protected:
  /// Σ over valid positions / max(positives, 1) × weight
  LossOutput reduce(const at::Tensor& per_position, const at::Tensor& mask, const at::Tensor& label) const {
    const at::Tensor positives = label.gt(0).to(at::kFloat).sum();
    return {(per_position.sum(2) * mask.squeeze(2)).sum() / at_least_one(positives) * options_.weight, {}};
  }
  cuda::LossValue on_cuda(const at::Tensor& pred, const at::Tensor& label, bool probabilities) const {
    return cuda::focal_loss(pred, label, {options_.weight, options_.alpha, options_.gamma, options_.ignore_label, probabilities});
  }
  at::Tensor valid(const at::Tensor& label) const { return label.ne(options_.ignore_label).to(at::kFloat); }
  /// 1 where the (masked) label is the foreground class.
  static at::Tensor one_hot(const at::Tensor& label, const at::Tensor& mask) { return (label * mask).to(at::kLong).eq(1).to(at::kFloat); }

  FocalOptions options_;
};

class FocalLoss : public FocalBase {
 public:
  using FocalBase::FocalBase;
  LossOutput forward(const TensorMap& in) const override {
    const at::Tensor pred = need(in, "FocalLoss", "cls_pred", 1), label = need(in, "FocalLoss", "cls_gt", 1).to(at::kFloat);
    same_grid("FocalLoss", pred, label);
    if (const auto fused = on_cuda(pred, label, false); fused.loss.defined()) return {fused.loss, {}};
    const at::Tensor mask = valid(label), target = one_hot(label, mask);
    const at::Tensor p = at::sigmoid(pred);
    const at::Tensor ce = at::binary_cross_entropy_with_logits(pred, target, {}, {}, at::Reduction::None);
    const at::Tensor p_t = p * target + (1 - p) * (1 - target);
    at::Tensor loss = ce * at::pow(1 - p_t, options_.gamma);
    if (options_.alpha >= 0) loss = (options_.alpha * target + (1 - options_.alpha) * (1 - target)) * loss;
    return reduce(loss, mask, label);
  }
};

class SigmoidCrossEntropyRetina : public FocalBase {
 public:
  using FocalBase::FocalBase;
  LossOutput forward(const TensorMap& in) const override {
    const at::Tensor logits = need(in, "SigmoidCrossEntropyRetina", "cls_pred", 1), label = need(in, "SigmoidCrossEntropyRetina", "cls_gt", 1).to(at::kFloat);
    same_grid("SigmoidCrossEntropyRetina", logits, label);
    if (const auto fused = on_cuda(logits, label, true); fused.loss.defined()) return {fused.loss, {}};
    const at::Tensor mask = valid(label), target = one_hot(label, mask);
    const at::Tensor p = at::sigmoid(logits);
    const at::Tensor positive = at::pow(1 - p, options_.gamma) * target * safe_log(p);
    const at::Tensor negative = at::pow(p, options_.gamma) * (1 - target) * safe_log(1 - p);
    return reduce(-(options_.alpha * positive + (1 - options_.alpha) * negative), mask, label);
  }
};

class SigmoidCrossEntropyCenterness : public Loss {
 public:
  explicit SigmoidCrossEntropyCenterness(double weight) : weight_(weight) {}
  LossOutput forward(const TensorMap& in) const override {
    const at::Tensor pred = need(in, "SigmoidCrossEntropyCenterness", "ctr_pred", 1), label = need(in, "SigmoidCrossEntropyCenterness", "ctr_gt", 1).to(at::kFloat);
    same_grid("SigmoidCrossEntropyCenterness", pred, label);
    if (const auto fused = cuda::centerness_loss(pred, label, weight_); fused.loss.defined()) return {fused.loss, {}};
    const at::Tensor mask = label.ne(0).to(at::kFloat);
    const at::Tensor loss = at::binary_cross_entropy_with_logits(pred, label, {}, {}, at::Reduction::None) * mask;
    const at::Tensor residual = own_entropy(label) * mask;
    return {(loss - residual.detach()).sum() / at_least_one(mask.sum()) * weight_, {}};
  }

 private:
  double weight_;
};

class IouLoss : public Loss {
 public:
  IouLoss(double weight, double background, double ignore_label) : weight_(weight), background_(background), ignore_label_(ignore_label) {}
  LossOutput forward(const TensorMap& in) const override {
    const at::Tensor pred = need(in, "IOULoss", "box_pred", 4), target = need(in, "IOULoss", "box_gt", 4), label = need(in, "IOULoss", "cls_gt", 1).to(at::kFloat);
    same_grid("IOULoss", pred, target);
    same_grid("IOULoss", pred, label);
    if (const auto fused = cuda::iou_loss(pred, target, label, weight_, background_, ignore_label_); fused.loss.defined()) return {fused.loss, {{"iou", fused.mean}}};
    const at::Tensor mask = (label.ne(background_) & label.ne(ignore_label_)).to(at::kFloat).squeeze(2);
    const auto p = pred.unbind(2), t = target.unbind(2);
    const at::Tensor target_area = at::abs(t[2] - t[0] + 1) * at::abs(t[3] - t[1] + 1);
    const at::Tensor pred_area = at::abs(p[2] - p[0] + 1) * at::abs(p[3] - p[1] + 1);
    const at::Tensor width = at::minimum(p[2], t[2]) - at::maximum(p[0], t[0]) + 1;
    const at::Tensor height = at::minimum(p[3], t[3]) - at::maximum(p[1], t[1]) + 1;
    const at::Tensor zero = at::zeros_like(width);
    const at::Tensor inter = at::maximum(width, zero) * at::maximum(height, zero);
    const at::Tensor iou = at::maximum(inter / (target_area + pred_area - inter), zero);
    const at::Tensor count = at_least_one(mask.sum());
    const at::Tensor mean_iou = (iou.detach() * mask).sum() / count;
    return {(-safe_log(iou) * mask).sum() / count * weight_, {{"iou", mean_iou}}};
  }

 private:
  double weight_, background_, ignore_label_;
};

}  // namespace

std::unique_ptr<Loss> make_focal_loss(const FocalOptions& options) { return std::make_unique<FocalLoss>(options); }
std::unique_ptr<Loss> make_sigmoid_ce_retina(const FocalOptions& options) { return std::make_unique<SigmoidCrossEntropyRetina>(options); }
std::unique_ptr<Loss> make_sigmoid_ce_centerness(double weight) { return std::make_unique<SigmoidCrossEntropyCenterness>(weight); }
std::unique_ptr<Loss> make_iou_loss(double weight, double background, double ignore_label) {
  return std::make_unique<IouLoss>(weight, background, ignore_label);
}

}  // namespace siam::core
