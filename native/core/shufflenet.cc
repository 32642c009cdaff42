#include "shufflenet.h"

#include <string>

#include "backbone_parts.h"
#include "cuda/image.h"
#include "dispatch.h"

namespace siam::core {

namespace {

constexpr std::array<int, 3> kUnitsOfStage{4, 8, 4};
// Of RGB from 0 to 1, over ImageNet.
constexpr std::array<float, 3> kMean{0.485f, 0.456f, 0.406f}, kDeviation{0.229f, 0.224f, 0.225f};
constexpr int64_t kStemWidth = 24;

ConvBnReluOptions pointwise(int64_t in, int64_t out) { return {in, out, 1, 1, 1, true, /*relu=*/true, 1e-5, /*bias=*/false}; }
ConvBnReluOptions depthwise(int64_t width, int64_t stride) { return {width, width, 3, stride, /*groups=*/width, true, /*relu=*/false, 1e-5, /*bias=*/false, 1}; }

/// Joins a and b with their channels in turn, a₀ b₀ a₁ b₁ …: the original's cat and channel_shuffle(2) in one copy, in the format of b.
/// @param a, b [N,C,H,W]     @returns [N,2C,H,W]
at::Tensor join_shuffled(const at::Tensor& a, const at::Tensor& b) {
  if (!is_interleaved(b)) return at::stack({a, b}, 2).flatten(1, 2);
  return at::stack({a.permute({0, 2, 3, 1}), b.permute({0, 2, 3, 1})}, 4).flatten(3, 4).permute({0, 3, 1, 2});
}

}  // namespace

ShuffleUnitImpl::ShuffleUnitImpl(int64_t width) {
  const int64_t half = width / 2;
  branch2_ = register_module("branch2", ConvSequence(std::vector<ConvBnReluOptions>{pointwise(half, half), depthwise(half, 1), pointwise(half, half)}));
}

ShuffleUnitImpl::ShuffleUnitImpl(int64_t in, int64_t out, int64_t stride) {
  const int64_t half = out / 2;
  branch1_ = register_module("branch1", ConvSequence(std::vector<ConvBnReluOptions>{depthwise(in, stride), pointwise(in, half)}));
  branch2_ = register_module("branch2", ConvSequence(std::vector<ConvBnReluOptions>{pointwise(in, half), depthwise(half, stride), pointwise(half, half)}));
}

at::Tensor ShuffleUnitImpl::forward(const at::Tensor& x) {
  if (branch1_) return join_shuffled(branch1_->forward(x), branch2_->forward(x));
  const int64_t half = x.size(1) / 2;
  return join_shuffled(x.narrow(1, 0, half), branch2_->forward(x.narrow(1, half, half)));
}

ShuffleNetV2Impl::ShuffleNetV2Impl(const ShuffleNetWidths& widths, int64_t crop_pad, int64_t head_width) : crop_pad_(crop_pad), head_width_(head_width) {
  // The original wraps the classification network: its parameters lie below `_model`.
  auto model = register_module("_model", std::make_shared<torch::nn::Module>());
  conv1_ = model->register_module("conv1", ConvSequence(std::vector<ConvBnReluOptions>{{3, kStemWidth, 3, 2, 1, true, true, 1e-5, /*bias=*/false, 1}}));
  int64_t in = kStemWidth, joined = 0;
  for (size_t s = 0; s < widths.size(); s++) {
    auto stage = model->register_module("stage" + std::to_string(s + 2), std::make_shared<torch::nn::Module>());
    std::vector<ShuffleUnit> units;
    for (int i = 0; i < kUnitsOfStage[s]; i++) {
      units.push_back(stage->register_module(std::to_string(i), i == 0 ? ShuffleUnit(in, widths[s], /*stride=*/s == 0 ? 2 : 1) : ShuffleUnit(widths[s])));
    }
    stages_.push_back(units);
    in = widths[s];
    joined += in;
  }
  channel_reduce_ = model->register_module("channel_reduce", ConvSequence(std::vector<ConvBnReluOptions>{pointwise(joined, head_width)}));
}

at::Tensor ShuffleNetV2Impl::prepare(const at::Tensor& image, const ComputeMode& mode) const {
  if (image.device().is_cuda()) {
    const at::Tensor prepared = cuda::image(image, mode, {255, kMean, kDeviation, /*swap=*/true});
    if (prepared.defined()) return prepared;
  }
  if (!mean_.defined() || mean_.device() != image.device()) {
    const auto made = [&](const std::array<float, 3>& values) {
      return at::tensor(at::ArrayRef<float>(values.data(), values.size()), at::TensorOptions().dtype(at::kFloat)).to(image.device()).view({1, 3, 1, 1});
    };
    mean_ = made(kMean);
    deviation_ = made(kDeviation);
  }
  return Backbone::prepare(rgb_float(image).div_(255).sub_(mean_).div_(deviation_), mode);
}

at::Tensor ShuffleNetV2Impl::forward(const at::Tensor& x) {
  at::Tensor y = conv1_->forward_pooled(x, PoolShape{/*padding=*/1});
  std::vector<at::Tensor> features;
  for (auto& stage : stages_) {
    for (auto& unit : stage) y = unit->forward(y);
    features.push_back(crop_border(y, crop_pad_, "ShuffleNetV2"));
  }
  return channel_reduce_->forward(at::cat(features, 1));
}

}  // namespace siam::core
