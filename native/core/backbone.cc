#include "backbone.h"

#include <cmath>

#include "../base/error.h"
#include "cuda/image.h"
#include "googlenet.h"
#include "script_backbone.h"
#include "shufflenet.h"
#include "stem_fold.h"

namespace siam::core {

namespace {

constexpr PoolShape kPool{/*padding=*/0, /*ceil=*/true};

/// Normal distribution cut at ±2 standard deviations.
void truncated_normal_(at::Tensor weight, double std) {
  c10::NoGradGuard no_grad;
  // Inverse transform: uniform between the distribution's values at ±2, then erfinv.
  const double edge = std::erf(2.0 / std::sqrt(2.0));
  weight.uniform_(-edge, edge).erfinv_().mul_(std * std::sqrt(2.0)).clamp_(-2 * std, 2 * std);
}

}  // namespace

at::Tensor Backbone::prepare(const at::Tensor& image, const ComputeMode& mode) const {
  if (image.device().is_cuda()) {
    const at::Tensor prepared = cuda::image(image, mode, {});
    if (prepared.defined()) return prepared;
  }
  return mode.fold ? fold_image(image, mode.dtype) : image.to(mode.dtype).contiguous(mode.format);
}

AlexNetImpl::AlexNetImpl() {
  conv1 = register_module("conv1", ConvBnRelu(ConvBnReluOptions{3, 96, 11, 2}));
  conv2 = register_module("conv2", ConvBnRelu(ConvBnReluOptions{96, 256, 5}));
  conv3 = register_module("conv3", ConvBnRelu(ConvBnReluOptions{256, 384, 3}));
  conv4 = register_module("conv4", ConvBnRelu(ConvBnReluOptions{384, 384, 3}));
  conv5 = register_module("conv5", ConvBnRelu(ConvBnReluOptions{384, 256, 3, 1, 1, true, /*relu=*/false}));
}

at::Tensor AlexNetImpl::forward(const at::Tensor& x) {
  at::Tensor y = conv1->forward_pooled(x, kPool);
  y = conv2->forward_pooled(y, kPool);
  return conv5->forward(conv4->forward(conv3->forward(y)));
}

TinyConvImpl::TinyConvImpl() {
  conv1 = register_module("conv1", ConvBnRelu(ConvBnReluOptions{3, 32, 3, 2}));
  conv2a = register_module("conv2a", ConvBnRelu(ConvBnReluOptions{32, 64, 1}));
  conv2b = register_module("conv2b", ConvBnRelu(ConvBnReluOptions{64, 64, 7, 2, 64}));
  conv3a = register_module("conv3a", ConvBnRelu(ConvBnReluOptions{64, 64, 3}));
  conv3b = register_module("conv3b", ConvBnRelu(ConvBnReluOptions{64, 64, 1, 1, 1, true, /*relu=*/false}));
  for (auto* block : {&conv1, &conv2a, &conv2b, &conv3a, &conv3b}) truncated_normal_((*block)->conv->weight, 0.1);
}

at::Tensor TinyConvImpl::forward(const at::Tensor& x) {
  at::Tensor y = conv1->forward_pooled(x, kPool);
  y = conv2b->forward(conv2a->forward(y));
  return conv3b->forward(conv3a->forward(y));
}

std::shared_ptr<Backbone> make_backbone(const BackboneOptions& options) {
  const std::string& name = options.name;
  if (name == "AlexNet") return std::make_shared<AlexNetImpl>();
  if (name == "TinyConv") return std::make_shared<TinyConvImpl>();
  if (name == "Inception3") return std::make_shared<Inception3Impl>(options.crop_pad);
  if (name == "ShuffleNetV2_x0_5") return std::make_shared<ShuffleNetV2Impl>(shufflenet_x0_5(), options.crop_pad, options.head_width);
  if (name == "ShuffleNetV2_x1_0") return std::make_shared<ShuffleNetV2Impl>(shufflenet_x1_0(), options.crop_pad, options.head_width);
  if (name == "TorchScript") return std::make_shared<ScriptBackbone>(options);
  throw SiamException("ERR_CONFIG", "Expected a built-in backbone (AlexNet, TinyConv, Inception3, ShuffleNetV2_x0_5, ShuffleNetV2_x1_0) but received '" + name + "'");
}

}  // namespace siam::core
