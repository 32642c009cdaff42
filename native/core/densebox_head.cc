#include "densebox_head.h"

#include <c10/core/impl/LocalDispatchKeySet.h>

#include <cmath>

#include "../base/error.h"
#include "dispatch.h"

namespace siam::core {

namespace {

/// [N,C,H,W] → [N,H·W,C]
at::Tensor flatten_map(const at::Tensor& map) { return map.permute({0, 2, 3, 1}).reshape({map.size(0), -1, map.size(1)}); }

}  // namespace

DenseboxHeadImpl::DenseboxHeadImpl(const DenseboxHeadOptions& options) : options_(options) {
  bi_ = register_parameter("bi", at::zeros({}));
  si_ = register_parameter("si", at::ones({}));
  const int64_t w = options.width;
  for (int64_t i = 0; i < options.num_conv3x3; i++) {
    const ConvBnReluOptions block{w, w, 3, 1, 1, options.conv_bn[i]};
    cls_tower_.push_back(register_module("cls_p5_conv" + std::to_string(i + 1), ConvBnRelu(block)));
    box_tower_.push_back(register_module("bbox_p5_conv" + std::to_string(i + 1), ConvBnRelu(block)));
  }
  cls_score_ = register_module("cls_score_p5", ConvBnRelu(ConvBnReluOptions{w, 1, 1, 1, 1, true, false}));
  ctr_score_ = register_module("ctr_score_p5", ConvBnRelu(ConvBnReluOptions{w, 1, 1, 1, 1, true, false}));
  box_offsets_ = register_module("bbox_offsets_p5", ConvBnRelu(ConvBnReluOptions{w, 4, 1, 1, 1, true, false}));

  c10::NoGradGuard no_grad;
  for (auto& child : children()) {
    auto block = std::dynamic_pointer_cast<ConvBnReluImpl>(child);
    auto& conv = block->conv;
    conv->weight.normal_(0, options.conv_weight_std);
    const double bound = 1 / std::sqrt(static_cast<double>(conv->weight.numel() / conv->weight.size(0)));
    conv->bias.uniform_(-bound, bound);
  }
  constexpr double kPrior = 0.01;  // probability of foreground before any training, as in RetinaNet
  cls_score_->conv->bias.fill_(-std::log((1 - kPrior) / kPrior));
}

at::Tensor DenseboxHeadImpl::grid(int64_t size, int64_t x_size, const at::Tensor& like) const {
  const int64_t offset = (x_size - 1 - (size - 1) * options_.total_stride) / 2;
  const at::Tensor line = at::arange(size, like.options().dtype(at::kFloat)) * options_.total_stride + offset;
  return at::stack({line.repeat({size}), line.repeat_interleave(size)}, 1).unsqueeze(0);
}

HeadOutput DenseboxHeadImpl::forward(const at::Tensor& c_out, const at::Tensor& r_out, int64_t x_size) {
  at::Tensor cls = c_out, box = r_out;
  for (size_t i = 0; i < cls_tower_.size(); i++) {
    cls = cls_tower_[i]->forward(cls);
    box = box_tower_[i]->forward(box);
  }
  const int64_t size = cls.size(2);
  if (cls.size(3) != size || (!options_.input_size_adapt && size != options_.score_size)) {
    throw SiamException("ERR_SHAPE", "DenseboxHead: expected a score map of " + std::to_string(options_.score_size) + "x" + std::to_string(options_.score_size) +
                                         " (score_size) but received " + describe(cls) + "; check x_size, score_size and the size of the search image");
  }
  HeadOutput out;
  out.corr_fea = cls;
  // The outputs decide boxes to a fraction of a pixel: float32 whatever the mode, and under autocast (1×1 convolutions, next to no work).
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const at::Tensor cls32 = cls.to(at::kFloat), box32 = box.to(at::kFloat);
  out.cls = flatten_map(cls_score_->forward(cls32));
  out.ctr = flatten_map(ctr_score_->forward(cls32));
  const at::Tensor offsets = flatten_map(at::exp(si_ * box_offsets_->forward(box32) + bi_) * static_cast<double>(options_.total_stride));
  const at::Tensor centres = grid(size, options_.input_size_adapt ? x_size : options_.x_size, offsets);
  out.box = at::cat({centres - offsets.slice(2, 0, 2), centres + offsets.slice(2, 2, 4)}, 2);
  return out;
}

}  // namespace siam::core
