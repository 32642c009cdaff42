#include "siam_track.h"

#include <chrono>

#include "../base/error.h"
#include "dispatch.h"
#include "random.h"
#include "script_backbone.h"
#include "stem_fold.h"
#include "xcorr.h"

namespace siam::core {

SiamTrackImpl::SiamTrackImpl(const SiamTrackOptions& options) : options_(options) {
  if (options.mode.dtype == at::kHalf && options.device.is_cpu()) {
    throw SiamException("ERR_CONFIG", "SiamTrack: expected the precision fp32 or bf16 on the CPU but received fp16, which CPUs have no fast arithmetic for; bf16 is as fast there as fp16 on a GPU, and needs no loss scaling");
  }
  const std::lock_guard<std::mutex> alone(default_generator_mutex());  // until the last weight is drawn
  at::manual_seed(options.seed);
  options_.backbone.mode = options.mode;
  options_.backbone.device = options.device;
  basemodel_ = make_backbone(options_.backbone);
  options_.mode.fold = basemodel_->can_fold() && folds_stem(options.mode.dtype, options.mode.format, options.device);
  if (basemodel_->width() != options.head_width || options.head.width != options.head_width) {
    throw SiamException("ERR_CONFIG", "SiamTrack: expected head_width " + std::to_string(basemodel_->width()) + " (the width of " + options.backbone.name +
                                          ") in task_head and task_model but received " + std::to_string(options.head.width) + " and " +
                                          std::to_string(options.head_width), options.backbone.path);
  }
  auto* script = dynamic_cast<ScriptBackbone*>(basemodel_.get());
  if (script != nullptr) script->check_sizes(options.head);
  register_module("basemodel", basemodel_);
  head_ = register_module("head", DenseboxHead(options.head));
  const ConvBnReluOptions neck{options.head_width, options.head_width, 3, 1, 1, true, false};
  r_z_k_ = register_module("r_z_k", ConvBnRelu(neck));
  c_z_k_ = register_module("c_z_k", ConvBnRelu(neck));
  r_x_ = register_module("r_x", ConvBnRelu(neck));
  c_x_ = register_module("c_x", ConvBnRelu(neck));
  {
    c10::NoGradGuard no_grad;
    for (auto* block : {&r_z_k_, &c_z_k_, &r_x_, &c_x_}) (*block)->conv->weight.normal_(0, options.conv_weight_std);
  }
  to(options.device);
  if (options.mode.format == at::MemoryFormat::ChannelsLast) {
    for (auto& entry : state_entries()) {
      if (entry.tensor.dim() == 4 && !(script != nullptr && entry.name.rfind("basemodel.", 0) == 0)) entry.tensor.set_data(entry.tensor.contiguous(at::MemoryFormat::ChannelsLast));
    }
  }
}

at::Tensor SiamTrackImpl::prepare(const at::Tensor& image, const char* name) const {
  if (image.dim() != 4 || image.size(1) != 3 || (image.scalar_type() != at::kByte && image.scalar_type() != at::kFloat)) {
    throw SiamException("ERR_SHAPE", std::string("forward: expected ") + name + " [N,3,H,W] of uint8 or float32 but received " + describe(image));
  }
  const auto start = std::chrono::steady_clock::now();
  // To the device first, then to the compute type: uint8 is a quarter of the bytes. A batch of the trainer's is there already (engine/device_copies.h).
  at::Tensor prepared = basemodel_->prepare(image.to(options_.device), options_.mode);
  const auto took = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start).count();
  copy_nanoseconds_.fetch_add(static_cast<uint64_t>(took), std::memory_order_relaxed);
  return prepared;
}

void SiamTrackImpl::drop_cast_weights() {
  apply([](torch::nn::Module& module) {
    if (auto* keeper = dynamic_cast<KeepsCastWeights*>(&module)) keeper->drop_cast_weights();
  });
}

HeadOutput SiamTrackImpl::train_forward(const at::Tensor& im_z, const at::Tensor& im_x) {
  if (im_z.dim() == 4 && im_x.dim() == 4 && im_z.size(0) != im_x.size(0)) {
    throw SiamException("ERR_SHAPE", "forward: expected im_z and im_x of one batch size but received " + describe(im_z) + " and " + describe(im_x));
  }
  drop_cast_weights();
  const at::Tensor z = prepare(im_z, "im_z"), x = prepare(im_x, "im_x");
  BatchCounts counts;
  const TemplateFeatures features = [&] {
    const at::Tensor f_z = basemodel_->forward(z);
    return TemplateFeatures{c_z_k_->forward(f_z), r_z_k_->forward(f_z)};
  }();
  const at::Tensor f_x = basemodel_->forward(x);
  const at::Tensor c_x = c_x_->forward(f_x), r_x = r_x_->forward(f_x);
  const at::Tensor r_out = xcorr_depthwise(r_x, features.r_z_k), c_out = xcorr_depthwise(c_x, features.c_z_k);
  HeadOutput out = head_->forward(c_out, r_out, im_x.size(3));
  counts.commit();
  drop_cast_weights();  // the graph holds what backward needs; a later step must not see this step's cast
  return out;
}

TemplateFeatures SiamTrackImpl::template_features(const at::Tensor& im_z) {
  drop_cast_weights();
  const at::Tensor f_z = basemodel_->forward(prepare(im_z, "im_z"));
  return {c_z_k_->forward(f_z), r_z_k_->forward(f_z)};
}

SearchFeatures SiamTrackImpl::search_features(const at::Tensor& im_x) {
  const at::Tensor x = prepare(im_x, "im_x");
  const at::Tensor f_x = basemodel_->forward(x);
  return {c_x_->forward(f_x), r_x_->forward(f_x), f_x, im_x.size(3)};
}

at::Tensor SiamTrackImpl::classification_features(const at::Tensor& im_x) { return c_x_->forward(basemodel_->forward(prepare(im_x, "im_x"))); }

HeadOutput SiamTrackImpl::match(const SearchFeatures& search, const TemplateFeatures& features) {
  return head_->forward(xcorr_depthwise(search.c_x, features.c_z_k), xcorr_depthwise(search.r_x, features.r_z_k), search.x_size);
}

namespace {

void collect(const torch::nn::Module& module, const std::string& prefix, std::vector<StateEntry>& entries) {
  if (const auto* script = dynamic_cast<const ScriptBackbone*>(&module)) return script->collect_state(prefix, entries);
  for (const auto& item : module.named_parameters(/*recurse=*/false)) entries.push_back({prefix + item.key(), item.value(), true, ""});
  for (const auto& item : module.named_buffers(/*recurse=*/false)) entries.push_back({prefix + item.key(), item.value(), false, ""});
  for (const auto& child : module.named_children()) collect(*child.value(), prefix + child.key() + ".", entries);
}

}  // namespace

std::vector<StateEntry> SiamTrackImpl::state_entries() const {
  std::vector<StateEntry> entries;
  collect(*this, "", entries);
  return entries;
}

}  // namespace siam::core
