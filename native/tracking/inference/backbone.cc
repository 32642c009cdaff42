#include "backbone.h"

#include "../../base/error.h"

namespace siam::tracking::inference {

namespace {

/// A network that is not known layer by layer runs as the module that it is; what comes back is cast.
class ModuleBackbone : public Backbone {
 public:
  ModuleBackbone(core::SiamTrack model, Arithmetic arithmetic) : model_(std::move(model)), type_(torch_type(arithmetic).value_or(at::kFloat)) {}

  Activation run(const at::Tensor& image, Pass) override {
    const bool training = model_->is_training();
    if (training) model_->eval();
    const auto restore = [&] {
      if (training) model_->train();
    };
    try {
      const at::Tensor features = model_->backbone_features(image);
      restore();
      return {features.to(type_), {}};
    } catch (...) {
      restore();
      throw;
    }
  }
  bool repeats() const override { return false; }

 private:
  core::SiamTrack model_;
  at::ScalarType type_;
};

}  // namespace

Activation Backbone::entry(const at::Tensor& image, Arithmetic arithmetic, Pass pass) {
  if (arithmetic == Arithmetic::k8 && pass == Pass::kRun) return {image.contiguous(at::MemoryFormat::ChannelsLast), {1, 0}};
  if (const auto type = torch_type(arithmetic)) return {image.contiguous(at::MemoryFormat::ChannelsLast).to(*type), {}};
  constexpr float kNone[3] = {0, 0, 0};
  return image_to_float(image, kNone, /*swap=*/false);
}

std::unique_ptr<Backbone> make_backbone(core::SiamTrack model, const WeightTable& weights, Arithmetic arithmetic) {
  const auto& options = model->options().backbone;
  if (options.name == "AlexNet") return make_alexnet(weights, arithmetic);
  if (options.name == "TinyConv") return make_tinyconv(weights, arithmetic);
  if (options.name == "Inception3") return make_inception(weights, arithmetic, options.crop_pad);
  if (options.name == "ShuffleNetV2_x0_5" || options.name == "ShuffleNetV2_x1_0") return make_shufflenet(weights, arithmetic, options.crop_pad);
  return std::make_unique<ModuleBackbone>(std::move(model), arithmetic);
}

}  // namespace siam::tracking::inference
