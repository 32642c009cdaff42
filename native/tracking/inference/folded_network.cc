#include "folded_network.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "../../base/error.h"

namespace siam::tracking::inference {

FoldedNetwork::FoldedNetwork(core::SiamTrack model, Arithmetic arithmetic) : model_(std::move(model)), arithmetic_(arithmetic) {}

std::shared_ptr<FoldedNetwork::Folded> FoldedNetwork::folded() const {
  const auto entries = on_cpu(model_->state_entries());
  const uint64_t now = fingerprint(entries);
  if (folded_ != nullptr && now == folded_->fingerprint) return folded_;
  const WeightTable weights(entries, model_->options().device);
  auto made = std::make_shared<Folded>();
  made->head = std::make_unique<Head>(weights, model_->options().head, arithmetic_);
  made->backbone = make_backbone(model_, weights, arithmetic_);
  made->fingerprint = now;
  made->finite = all_finite(entries) && weights.folded_finite();
  return made;
}

void FoldedNetwork::start(const at::Tensor& z_crops, const at::Tensor& x_crops) {
  const c10::NoGradGuard no_grad;
  const auto next = folded();
  const bool tame = arithmetic_ != Arithmetic::k8 || next->observe(z_crops, x_crops);
  folded_ = next;
  tame_ = tame;
}

bool FoldedNetwork::Folded::observe(const at::Tensor& z_crops, const at::Tensor& x_crops) {
  std::vector<Range*> ranges = backbone->ranges();
  for (Range* range : head->ranges()) ranges.push_back(range);
  std::vector<Range> before;
  for (Range* range : ranges) before.push_back(std::exchange(*range, Range{}));
  try {
    bool tame = true;
    for (int64_t i = 0; i < z_crops.size(0); i++) {
      const core::TemplateFeatures features = head->template_features(backbone->run(z_crops.narrow(0, i, 1), Pass::kFloat));
      const at::Tensor x = x_crops.narrow(0, i, 1);
      const core::HeadOutput out = head->match(head->search_features(backbone->run(x, Pass::kObserve), x.size(3), Pass::kObserve), features, Pass::kObserve);
      tame = tame && at::isfinite(out.cls).all().item<bool>() && at::isfinite(out.ctr).all().item<bool>();
    }
    for (const Range* range : ranges) tame = tame && std::isfinite(range->high - range->low);
    return tame;
  } catch (...) {
    for (size_t i = ranges.size(); i-- > 0;) *ranges[i] = before[i];  // backwards: of a shared one the first is what it was
    throw;
  }
}

void FoldedNetwork::check_started() const {
  if (folded_ == nullptr) throw SiamException("ERR_ARGUMENT", "tracker: Expected init() with the first frame before the network is run");
}

core::TemplateFeatures FoldedNetwork::template_features(const at::Tensor& z_crops) {
  check_started();
  const c10::NoGradGuard no_grad;
  return folded_->head->template_features(folded_->backbone->run(z_crops, Pass::kFloat));
}

core::SearchFeatures FoldedNetwork::search_features(const at::Tensor& x_crops) {
  check_started();
  const c10::NoGradGuard no_grad;
  return folded_->head->search_features(folded_->backbone->run(x_crops, Pass::kRun), x_crops.size(3), Pass::kRun);
}

core::HeadOutput FoldedNetwork::head(const core::SearchFeatures& search, const core::TemplateFeatures& features) {
  check_started();
  const c10::NoGradGuard no_grad;
  core::HeadOutput out = folded_->head->match(search, features, Pass::kRun);
  // Vector units' maximum and conversions to integers can turn a NaN into a number: the tracker must be told all the same.
  if (!folded_->finite || !tame_) out.box.fill_(std::numeric_limits<float>::quiet_NaN());
  return out;
}

}  // namespace siam::tracking::inference
