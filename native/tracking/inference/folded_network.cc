#include "folded_network.h"

#include <ATen/ATen.h>

#include <limits>
#include <utility>

#include "../../base/error.h"

namespace siam::tracking::inference {

FoldedNetwork::FoldedNetwork(core::SiamTrack model, Arithmetic arithmetic) : model_(std::move(model)), arithmetic_(arithmetic) {}

void FoldedNetwork::fold() {
  const auto entries = model_->state_entries();
  const uint64_t now = fingerprint(entries);
  if (head_ != nullptr && now == fingerprint_) return;
  const WeightTable weights(entries);
  auto backbone = make_backbone(model_, weights, arithmetic_);
  head_ = std::make_unique<Head>(weights, model_->options().head, arithmetic_);
  backbone_ = std::move(backbone);
  finite_ = all_finite(entries);
  fingerprint_ = now;
}

void FoldedNetwork::start(const at::Tensor& z_crops, const at::Tensor& x_crops) {
  const c10::NoGradGuard no_grad;
  fold();
  if (arithmetic_ != Arithmetic::k8) return;
  backbone_->forget_ranges();
  head_->forget_ranges();
  const core::TemplateFeatures features = head_->template_features(backbone_->run(z_crops, Pass::kFloat));
  const Activation f_x = backbone_->run(x_crops, Pass::kObserve);
  const core::SearchFeatures search = head_->search_features(f_x, x_crops.size(3), Pass::kObserve);
  const auto each = [&](const at::Tensor& k) { return k.expand({x_crops.size(0), -1, -1, -1}); };
  head_->match(search, {each(features.c_z_k), each(features.r_z_k)}, Pass::kObserve);
}

void FoldedNetwork::check_started() const {
  if (head_ == nullptr) throw SiamException("ERR_ARGUMENT", "tracker: Expected init() with the first frame before the network is run");
}

core::TemplateFeatures FoldedNetwork::template_features(const at::Tensor& z_crops) {
  check_started();
  const c10::NoGradGuard no_grad;
  return head_->template_features(backbone_->run(z_crops, Pass::kFloat));
}

core::SearchFeatures FoldedNetwork::search_features(const at::Tensor& x_crops) {
  check_started();
  const c10::NoGradGuard no_grad;
  return head_->search_features(backbone_->run(x_crops, Pass::kRun), x_crops.size(3), Pass::kRun);
}

core::HeadOutput FoldedNetwork::head(const core::SearchFeatures& search, const core::TemplateFeatures& features) {
  check_started();
  const c10::NoGradGuard no_grad;
  core::HeadOutput out = head_->match(search, features, Pass::kRun);
  // Vector units' maximum and conversions to integers can turn a NaN into a number: the tracker must be told all the same.
  if (!finite_) out.box.fill_(std::numeric_limits<float>::quiet_NaN());
  return out;
}

}  // namespace siam::tracking::inference
