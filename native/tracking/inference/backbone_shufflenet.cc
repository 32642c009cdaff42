#include <ATen/ATen.h>

#include "../../core/backbone_parts.h"
#include "backbone.h"

namespace siam::tracking::inference {

namespace {

constexpr std::array<int, 3> kUnitsOfStage{4, 8, 4};

/// Joins a and b with their channels in turn, a₀ b₀ a₁ b₁ …
at::Tensor join_shuffled(const at::Tensor& a, const at::Tensor& b) {
  return at::stack({a.permute({0, 2, 3, 1}), b.permute({0, 2, 3, 1})}, 4).flatten(3, 4).permute({0, 3, 1, 2});
}

/// Without 8-bit products: depthwise convolutions gain next to nothing by them, and halves that pass units by would be rounded at each.
class ShuffleNetV2 : public Backbone {
 public:
  ShuffleNetV2(const WeightTable& weights, Arithmetic arithmetic, int64_t crop_pad) : arithmetic_(arithmetic == Arithmetic::k8 ? Arithmetic::kFloat : arithmetic), crop_pad_(crop_pad) {
    const auto layer = [&](const std::string& name, int conv, int64_t stride, int64_t groups, bool relu) {
      ConvOptions options;
      options.stride = stride;
      options.groups = groups;
      options.relu = relu;
      if (groups > 1) options.padding = {1, 1};
      const std::string path = "basemodel._model." + name + ".";
      return add(weights.fold(path + std::to_string(conv), path + std::to_string(conv + 1), options), arithmetic_);
    };
    if (torch_type(arithmetic_)) mean_ = at::tensor(at::ArrayRef<float>(kMean), at::kFloat).view({1, 3, 1, 1}).to(weights.device());
    first_ = add(first_conv(weights), arithmetic_);
    int64_t width = kStemWidth;
    for (size_t s = 0; s < kUnitsOfStage.size(); s++) {
      stages_.emplace_back();
      for (int i = 0; i < kUnitsOfStage[s]; i++) {
        const std::string name = "stage" + std::to_string(s + 2) + "." + std::to_string(i);
        const int64_t stride = s == 0 && i == 0 ? 2 : 1;
        const int64_t half = weights.width("basemodel._model." + name + ".branch2.0.weight");
        Unit unit;
        if (i == 0) unit.branch1 = {layer(name + ".branch1", 0, stride, width, false), layer(name + ".branch1", 2, 1, 1, true)};
        unit.branch2 = {layer(name + ".branch2", 0, 1, 1, true), layer(name + ".branch2", 3, stride, half, false), layer(name + ".branch2", 5, 1, 1, true)};
        stages_.back().push_back(unit);
        width = 2 * half;
      }
    }
    reduce_ = layer("channel_reduce", 0, 1, 1, true);
  }

  Activation run(const at::Tensor& image, Pass pass) override {
    const Activation in = mean_.defined() ? image_to(*torch_type(arithmetic_), image, mean_) : image_to_float(image, kMean, /*swap=*/true);
    Activation x = max_pool(first_->run(in, pass), 2, 1, false);
    std::vector<Activation> features;
    for (auto& stage : stages_) {
      for (auto& unit : stage) x = {run(unit, x, pass), {}};
      features.push_back({core::crop_border(x.values, crop_pad_, "ShuffleNetV2"), {}});
    }
    return reduce_->run(joined(features), pass);
  }

 private:
  static constexpr int64_t kStemWidth = 24;
  static constexpr float kMean[3] = {255 * 0.406f, 255 * 0.456f, 255 * 0.485f};  ///< blue, green, red; padding is then ImageNet's mean, as in training

  struct Unit {
    std::vector<Layer> branch1, branch2;  ///< without a branch1 the first half of the channels passes
  };

  FoldedConv first_conv(const WeightTable& weights) const {
    ConvOptions options;
    options.stride = 2;
    options.padding = {1, 1};
    FoldedConv conv = weights.fold("basemodel._model.conv1.0", "basemodel._model.conv1.1", options);
    const at::Tensor deviation = at::tensor({0.229, 0.224, 0.225}, at::kDouble).view({1, 3, 1, 1}) * 255;
    conv.weight = (conv.weight.to(at::kDouble) / deviation).to(at::kFloat);
    // Our own kernel turns the image's channels round.
    if (mean_.defined()) conv.weight = conv.weight.flip({1}).contiguous();
    return conv;
  }

  static at::Tensor run(Unit& unit, const Activation& x, Pass pass) {
    const auto through = [&](std::vector<Layer>& layers, Activation y) {
      for (auto& layer : layers) y = layer->run(y, pass);
      return y.values;
    };
    if (!unit.branch1.empty()) return join_shuffled(through(unit.branch1, x), through(unit.branch2, x));
    const int64_t half = x.values.size(1) / 2;
    return join_shuffled(x.values.narrow(1, 0, half), through(unit.branch2, {x.values.narrow(1, half, half), {}}));
  }

  Arithmetic arithmetic_;
  int64_t crop_pad_;
  at::Tensor mean_;  ///< for libtorch's operators
  Layer first_, reduce_;
  std::vector<std::vector<Unit>> stages_;
};

}  // namespace

std::unique_ptr<Backbone> make_shufflenet(const WeightTable& weights, Arithmetic arithmetic, int64_t crop_pad) { return std::make_unique<ShuffleNetV2>(weights, arithmetic, crop_pad); }

}  // namespace siam::tracking::inference
