#include "googlenet.h"

#include "average_pool.h"
#include "backbone_parts.h"
#include "cuda/image.h"

namespace siam::core {

namespace {

using Block = InceptionBlockImpl;
constexpr double kEps = 1e-3;

/// Without a bias, with BatchNorm and ReLU.
ConvBnReluOptions conv(int64_t in, int64_t out, torch::ExpandingArray<2> kernel, torch::ExpandingArray<2> padding = 0, int64_t stride = 1) {
  return {in, out, kernel, stride, 1, true, true, kEps, /*bias=*/false, padding};
}

at::Tensor max_pool_3s2(const at::Tensor& x) { return at::max_pool2d(x, {3, 3}, {2, 2}); }

/// 1×1, 5×5, twice 3×3, pool: 64 + 64 + 96 + pool_features channels.
InceptionBlock block_a(int64_t in, int64_t pool_features) {
  InceptionBlock block;
  block->add(Block::Pool::kNone, {{"branch1x1", conv(in, 64, 1)}});
  block->add(Block::Pool::kNone, {{"branch5x5_1", conv(in, 48, 1)}, {"branch5x5_2", conv(48, 64, 5, 2)}});
  block->add(Block::Pool::kNone, {{"branch3x3dbl_1", conv(in, 64, 1)}, {"branch3x3dbl_2", conv(64, 96, 3, 1)}, {"branch3x3dbl_3", conv(96, 96, 3, 1)}});
  block->add(Block::Pool::kAverage, {{"branch_pool", conv(in, pool_features, 1)}});
  return block;
}

/// Halves the resolution: 384 + 96 + in channels.
InceptionBlock block_b(int64_t in) {
  InceptionBlock block;
  block->add(Block::Pool::kNone, {{"branch3x3", conv(in, 384, 3, 0, 2)}});
  block->add(Block::Pool::kNone, {{"branch3x3dbl_1", conv(in, 64, 1)}, {"branch3x3dbl_2", conv(64, 96, 3, 1)}, {"branch3x3dbl_3", conv(96, 96, 3, 0, 2)}});
  block->add(Block::Pool::kMax, {});
  return block;
}

/// 7×7 convolutions as rows and columns, c channels between: 4 · 192 channels.
InceptionBlock block_c(int64_t in, int64_t c) {
  const auto row = [c](int64_t out) { return conv(c, out, {1, 7}, {0, 3}); };
  const auto column = [c](int64_t out) { return conv(c, out, {7, 1}, {3, 0}); };
  InceptionBlock block;
  block->add(Block::Pool::kNone, {{"branch1x1", conv(in, 192, 1)}});
  block->add(Block::Pool::kNone, {{"branch7x7_1", conv(in, c, 1)}, {"branch7x7_2", row(c)}, {"branch7x7_3", column(192)}});
  block->add(Block::Pool::kNone, {{"branch7x7dbl_1", conv(in, c, 1)},
                                  {"branch7x7dbl_2", column(c)},
                                  {"branch7x7dbl_3", row(c)},
                                  {"branch7x7dbl_4", column(c)},
                                  {"branch7x7dbl_5", row(192)}});
  block->add(Block::Pool::kAverage, {{"branch_pool", conv(in, 192, 1)}});
  return block;
}

}  // namespace

InceptionBlockImpl& InceptionBlockImpl::add(Pool pool, const std::vector<Layer>& layers) {
  Branch branch{pool, {}};
  for (const auto& layer : layers) branch.layers.push_back(register_module(layer.name, ConvBnRelu(layer.options)));
  branches_.push_back(branch);
  return *this;
}

at::Tensor InceptionBlockImpl::forward(const at::Tensor& x) {
  std::vector<at::Tensor> results;
  for (auto& branch : branches_) {
    at::Tensor y = x;
    if (branch.pool == Pool::kAverage) y = average_pool_3x3(x);
    if (branch.pool == Pool::kMax) y = max_pool_3s2(x);
    for (auto& layer : branch.layers) y = layer->forward(y);
    results.push_back(y);
  }
  return at::cat(results, 1);
}

Inception3Impl::Inception3Impl(int64_t crop_pad) : crop_pad_(crop_pad) {
  const auto stem = [&](const char* name, const ConvBnReluOptions& options) { stem_.push_back(register_module(name, ConvBnRelu(options))); };
  stem("Conv2d_1a_3x3", conv(3, 32, 3, 0, 2));
  stem("Conv2d_2a_3x3", conv(32, 32, 3));
  stem("Conv2d_2b_3x3", conv(32, 64, 3, 1));
  stem("Conv2d_3b_1x1", conv(64, 80, 1));
  stem("Conv2d_4a_3x3", conv(80, 192, 3));
  const auto block = [&](const char* name, const InceptionBlock& made) { blocks_.push_back(register_module(name, made)); };
  block("Mixed_5b", block_a(192, 32));
  block("Mixed_5c", block_a(256, 64));
  block("Mixed_5d", block_a(288, 64));
  block("Mixed_6a", block_b(288));
  block("Mixed_6b", block_c(768, 128));
  block("Mixed_6c", block_c(768, 160));
  block("Mixed_6d", block_c(768, 160));
  block("Mixed_6e", block_c(768, 192));
  channel_reduce_ = register_module("channel_reduce", ConvSequence(std::vector<ConvBnReluOptions>{{768, width(), 1, 1, 1, true, /*relu=*/false, kEps}}));
}

at::Tensor Inception3Impl::prepare(const at::Tensor& image, const ComputeMode& mode) const {
  constexpr double kHalf = 255 / 2.0;
  if (image.device().is_cuda()) {
    constexpr auto kMiddle = static_cast<float>(kHalf);
    const at::Tensor prepared = cuda::image(image, mode, {1, {kMiddle, kMiddle, kMiddle}, {kMiddle, kMiddle, kMiddle}, /*swap=*/true});
    if (prepared.defined()) return prepared;
  }
  return Backbone::prepare(rgb_float(image).sub_(kHalf).div_(kHalf), mode);
}

at::Tensor Inception3Impl::forward(const at::Tensor& x) {
  at::Tensor y = x;
  constexpr size_t kPooled = 2;
  for (size_t i = 0; i < stem_.size(); i++) y = i == kPooled ? stem_[i]->forward_pooled(y, PoolShape{}) : stem_[i]->forward(y);
  for (auto& block : blocks_) y = block->forward(y);
  return channel_reduce_->forward(crop_border(y, crop_pad_, "Inception3"));
}

}  // namespace siam::core
