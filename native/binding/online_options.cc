#include "convert.h"
#include "online.h"

namespace siam::binding {
namespace {

using namespace tracking::online;

std::vector<double> numbers_from_js(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  std::vector<double> numbers;
  for (uint32_t i = 0; i < array.Length(); ++i) numbers.push_back(array.Get(i).As<Napi::Number>().DoubleValue());
  return numbers;
}

std::vector<Pair> pairs_from_js(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  std::vector<Pair> pairs;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const auto pair = numbers_from_js(array.Get(i));
    pairs.push_back({pair.at(0), pair.at(1)});
  }
  return pairs;
}

Activation activation_from_js(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  const std::string name = text(object, "name");
  using Kind = Activation::Kind;
  return {name == "relu" ? Kind::kRelu : name == "elu" ? Kind::kElu : name == "mlu" ? Kind::kMlu : Kind::kNone, number<double>(object, "knee")};
}

}  // namespace

OnlineOptions online_options_from_js(const Napi::Object& spec) {
  OnlineOptions o;
  o.score_weight = number<double>(spec, "scoreWeight");
  o.seed = static_cast<uint64_t>(number<double>(spec, "seed"));
  o.use_projection = boolean(spec, "useProjection");
  o.learn_projection = boolean(spec, "learnProjection");
  o.compressed_dim = number<int64_t>(spec, "compressedDim");
  o.pca = boolean(spec, "pca");
  o.projection_reg = number<double>(spec, "projectionReg");
  o.projection_activation = activation_from_js(spec.Get("projectionActivation"));
  o.use_attention = boolean(spec, "useAttention");
  o.channel_attention = boolean(spec, "channelAttention");
  o.spatial_attention = boolean(spec, "spatialAttention");
  o.attention_activation = activation_from_js(spec.Get("attentionActivation"));
  o.filter_reg = number<double>(spec, "filterReg");
  o.kernel_rows = number<int64_t>(spec, "kernelRows");
  o.kernel_columns = number<int64_t>(spec, "kernelColumns");
  o.random_filter = boolean(spec, "randomFilter");
  o.response_activation = activation_from_js(spec.Get("responseActivation"));
  o.feature_side = number<int64_t>(spec, "featureSide");
  const auto augmentation = spec.Get("augmentation").As<Napi::Object>();
  AugmentationOptions& a = o.augmentation;
  a.enabled = boolean(augmentation, "enabled");
  a.expansion = number<double>(augmentation, "expansion");
  a.random_shift = number<double>(augmentation, "randomShift");
  a.shifts = pairs_from_js(augmentation.Get("shifts"));
  a.relative_shifts = pairs_from_js(augmentation.Get("relativeShifts"));
  a.flip = boolean(augmentation, "flip");
  a.blurs = pairs_from_js(augmentation.Get("blurs"));
  a.scales = numbers_from_js(augmentation.Get("scales"));
  a.rotations = numbers_from_js(augmentation.Get("rotations"));
  a.dropout_samples = number<int64_t>(augmentation, "dropoutSamples");
  a.dropout_rate = number<double>(augmentation, "dropoutRate");
  o.learning_rate = number<double>(spec, "learningRate");
  o.init_samples_minimum_weight = number<double>(spec, "initSamplesMinimumWeight");
  o.memory_size = number<int64_t>(spec, "memorySize");
  o.sigma_factor = number<double>(spec, "sigmaFactor");
  o.init_steps.clear();
  for (const double steps : numbers_from_js(spec.Get("initSteps"))) o.init_steps.push_back(static_cast<int64_t>(steps));
  o.init_steps_without_projection = number<int64_t>(spec, "initStepsWithoutProjection");
  o.post_init_steps = number<int64_t>(spec, "postInitSteps");
  o.train_skipping = number<int64_t>(spec, "trainSkipping");
  o.update_steps = number<int64_t>(spec, "updateSteps");
  o.fletcher_reeves = boolean(spec, "fletcherReeves");
  o.direction_forget_factor = number<double>(spec, "directionForgetFactor");
  o.advanced_localization = boolean(spec, "advancedLocalization");
  o.hard_negative_learning_rate = number<double>(spec, "hardNegativeLearningRate");
  o.hard_negative_steps = number<int64_t>(spec, "hardNegativeSteps");
  o.target_not_found_threshold = number<double>(spec, "targetNotFoundThreshold");
  o.target_neighborhood_scale = number<double>(spec, "targetNeighborhoodScale");
  o.distractor_threshold = number<double>(spec, "distractorThreshold");
  o.displacement_scale = number<double>(spec, "displacementScale");
  o.hard_negative_threshold = number<double>(spec, "hardNegativeThreshold");
  return o;
}

}  // namespace siam::binding
