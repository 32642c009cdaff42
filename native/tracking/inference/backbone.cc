#include "backbone.h"

#include "../../base/error.h"

namespace siam::tracking::inference {

namespace {

/// A network that is not known layer by layer runs as the module that it is, in float32.
class ModuleBackbone : public Backbone {
 public:
  explicit ModuleBackbone(core::SiamTrack model) : model_(std::move(model)) {}

  Activation run(const at::Tensor& image, Pass) override {
    const bool training = model_->is_training();
    if (training) model_->eval();
    const auto restore = [&] {
      if (training) model_->train();
    };
    try {
      const at::Tensor features = model_->backbone_features(image);
      restore();
      return {features.to(at::kFloat), {}};
    } catch (...) {
      restore();
      throw;
    }
  }

 private:
  core::SiamTrack model_;
};

}  // namespace

Activation Backbone::entry(const at::Tensor& image, Arithmetic arithmetic, Pass pass) {
  if (arithmetic == Arithmetic::k8 && pass == Pass::kRun) return {image.contiguous(at::MemoryFormat::ChannelsLast), {1, 0}};
  constexpr float kNone[3] = {0, 0, 0};
  return image_to_float(image, kNone, /*swap=*/false);
}

std::unique_ptr<Backbone> make_backbone(core::SiamTrack model, const WeightTable& weights, Arithmetic arithmetic) {
  const auto& options = model->options().backbone;
  if (options.name == "AlexNet") return make_alexnet(weights, arithmetic);
  if (options.name == "TinyConv") return make_tinyconv(weights, arithmetic);
  if (options.name == "Inception3") return make_inception(weights, arithmetic, options.crop_pad);
  if (options.name == "ShuffleNetV2_x0_5" || options.name == "ShuffleNetV2_x1_0") return make_shufflenet(weights, arithmetic, options.crop_pad);
  return std::make_unique<ModuleBackbone>(std::move(model));
}

}  // namespace siam::tracking::inference
