#include "network.h"

#include <ATen/core/grad_mode.h>

#include <utility>

#include "../base/error.h"

namespace siam::tracking {
namespace {

/// Puts the model into evaluation mode, without gradients, and back: it may be one that is being trained.
class EvaluationScope {
 public:
  explicit EvaluationScope(core::SiamTrack& model) : model_(model), was_training_(model->is_training()) {
    if (was_training_) model_->eval();
  }
  ~EvaluationScope() {
    if (was_training_) model_->train();
  }
  EvaluationScope(const EvaluationScope&) = delete;
  EvaluationScope& operator=(const EvaluationScope&) = delete;

 private:
  core::SiamTrack& model_;
  const bool was_training_;
  const c10::NoGradGuard no_grad_;
};

}  // namespace

core::TemplateFeatures ModuleNetwork::template_features(const at::Tensor& z_crops) {
  const EvaluationScope scope(model_);
  return model_->template_features(z_crops);
}

core::SearchFeatures ModuleNetwork::search_features(const at::Tensor& x_crops) {
  const EvaluationScope scope(model_);
  return model_->search_features(x_crops);
}

core::HeadOutput ModuleNetwork::head(const core::SearchFeatures& search, const core::TemplateFeatures& features) {
  const EvaluationScope scope(model_);
  return model_->match(search, features);
}

std::shared_ptr<Network> make_network(core::SiamTrack model, const std::string& precision) {
  if (precision == "fp32") return std::make_shared<ModuleNetwork>(std::move(model));
  throw SiamException("ERR_ARGUMENT", "createTracker: the precision " + precision + " is not available; fp32 is");
}

}  // namespace siam::tracking
