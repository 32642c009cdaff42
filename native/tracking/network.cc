#include "network.h"

#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>

#include <utility>

#include "../base/error.h"
#include "inference/folded_network.h"

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

/// bfloat16 autocast of the model's device for one call.
class AutocastScope {
 public:
  AutocastScope(at::Device device, bool on) : device_(device.type()), on_(on) {
    if (!on) return;
    was_on_ = at::autocast::is_autocast_enabled(device_);
    was_dtype_ = at::autocast::get_autocast_dtype(device_);
    at::autocast::set_autocast_enabled(device_, true);
    at::autocast::set_autocast_dtype(device_, at::kBFloat16);
    at::autocast::increment_nesting();
  }
  ~AutocastScope() {
    if (!on_) return;
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, was_on_);
    at::autocast::set_autocast_dtype(device_, was_dtype_);
  }
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  const at::DeviceType device_;
  const bool on_;
  bool was_on_ = false;
  at::ScalarType was_dtype_ = at::kFloat;
};

}  // namespace

core::TemplateFeatures ModuleNetwork::template_features(const at::Tensor& z_crops) {
  const EvaluationScope scope(model_);
  const AutocastScope autocast(model_->options().device, autocast_);
  return model_->template_features(z_crops);
}

core::SearchFeatures ModuleNetwork::search_features(const at::Tensor& x_crops) {
  const EvaluationScope scope(model_);
  const AutocastScope autocast(model_->options().device, autocast_);
  return model_->search_features(x_crops);
}

at::Tensor ModuleNetwork::classification_features(const at::Tensor& x_crops) {
  const EvaluationScope scope(model_);
  const AutocastScope autocast(model_->options().device, autocast_);
  return model_->classification_features(x_crops);
}

core::HeadOutput ModuleNetwork::head(const core::SearchFeatures& search, const core::TemplateFeatures& features) {
  const EvaluationScope scope(model_);
  const AutocastScope autocast(model_->options().device, autocast_);
  return model_->match(search, features);
}

std::shared_ptr<Network> make_network(core::SiamTrack model, const std::string& precision) {
  using inference::Arithmetic;
  const at::Device device = model->options().device;
  const auto folded = [&](Arithmetic arithmetic) { return std::make_shared<inference::FoldedNetwork>(std::move(model), arithmetic); };
  if (precision == "fp32") return device.is_cpu() ? std::shared_ptr<Network>(folded(Arithmetic::kFloat)) : std::make_shared<ModuleNetwork>(std::move(model));
  if (precision == "bf16") return device.is_cpu() ? std::shared_ptr<Network>(folded(Arithmetic::k16)) : std::make_shared<ModuleNetwork>(std::move(model), true);
  if (precision != "int8") throw SiamException("ERR_ARGUMENT", "createTracker: Expected the precision fp32, bf16 or int8 but received " + precision);
  if (!device.is_cpu()) throw SiamException("ERR_ARGUMENT", "createTracker: the precision int8 runs on the CPU, and this model is on " + device.str() + "; use bf16 there");
  if (!inference::onednn::available()) throw SiamException("ERR_ARGUMENT", "createTracker: the precision int8 needs a libtorch with oneDNN, which this one is not");
  return folded(Arithmetic::k8);
}

}  // namespace siam::tracking
