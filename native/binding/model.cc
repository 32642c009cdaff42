#include "model.h"


#include <map>

#include "../base/error.h"
#include "../core/flat_buffers.h"
#include "../engine/cuda_runtime.h"
#include "convert.h"
#include "registration.h"
#include "tensor.h"

namespace siam::binding {

const napi_type_tag ModelHandle::kTag = {0x2b8e41d95f0c4a77, 0xb1a6f3e09c72d845};

namespace {

using HolderPtr = std::shared_ptr<ModelHolder>;

core::SiamTrackOptions options_from_js(const Napi::Object& spec) {
  core::SiamTrackOptions options;
  const auto backbone = spec.Get("backbone").As<Napi::Object>();
  options.backbone.name = text(backbone, "name");
  if (backbone.Has("cropPad")) options.backbone.crop_pad = number<int64_t>(backbone, "cropPad");
  if (backbone.Has("pruned")) options.backbone.pruned = boolean(backbone, "pruned");
  if (backbone.Has("headWidth")) options.backbone.head_width = number<int64_t>(backbone, "headWidth");
  if (backbone.Has("path")) options.backbone.path = text(backbone, "path");
  if (backbone.Has("zSize")) options.backbone.z_size = number<int64_t>(backbone, "zSize");
  const auto head = spec.Get("head").As<Napi::Object>();
  options.head.total_stride = number<int64_t>(head, "totalStride");
  options.head.score_size = number<int64_t>(head, "scoreSize");
  options.head.x_size = number<int64_t>(head, "xSize");
  options.head.num_conv3x3 = number<int64_t>(head, "numConv3x3");
  options.head.width = number<int64_t>(head, "headWidth");
  options.head.conv_weight_std = number<double>(head, "convWeightStd");
  options.head.input_size_adapt = boolean(head, "inputSizeAdapt");
  const auto bn = head.Get("headConvBn").As<Napi::Array>();
  options.head.conv_bn.clear();
  for (uint32_t i = 0; i < bn.Length(); i++) options.head.conv_bn.push_back(bn.Get(i).ToBoolean());
  options.head_width = number<int64_t>(spec, "headWidth");
  options.conv_weight_std = number<double>(spec, "convWeightStd");
  options.corr_fea_output = boolean(spec, "corrFeaOutput");
  const std::string precision = text(spec, "precision");
  options.mode.dtype = precision == "bf16" ? at::kBFloat16 : precision == "fp16" ? at::kHalf : at::kFloat;
  options.mode.format = text(spec, "memoryFormat") == "channels_last" ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
  options.device = engine::device_named(text(spec, "device"));
  options.seed = number<uint64_t>(spec, "seed");
  return options;
}

std::vector<ModelHolder::Info> infos_of(const core::SiamTrack& model) {
  std::vector<ModelHolder::Info> infos;
  for (const auto& entry : model->state_entries()) {
    infos.push_back({entry.name, entry.tensor.sizes().vec(), entry.tensor.scalar_type(), entry.is_parameter, entry.tensor.requires_grad(), entry.alias_of});
  }
  return infos;
}

std::map<std::string, at::Tensor> by_name(const core::SiamTrack& model) {
  std::map<std::string, at::Tensor> table;
  for (const auto& entry : model->state_entries()) table[entry.name] = entry.tensor;
  return table;
}

Napi::Value create_model(const Napi::CallbackInfo& info) {
  core::SiamTrackOptions options;
  try {
    options = options_from_js(info[0].As<Napi::Object>());
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {  // libtorch's exceptions must not leave a callback of Node: the process would be aborted
    AddonEnv::of(info.Env()).throw_error(info.Env(), current_failure("createModel"));
  }
  return AddonEnv::of(info.Env()).run<HolderPtr>(
      info.Env(), "createModel",
      [options] {
        engine::require_device(options.device);
        engine::make_current(options.device);
        auto holder = std::make_shared<ModelHolder>();
        holder->model = core::SiamTrack(options);
        holder->buffers = std::make_shared<core::ModelBuffers>(holder->model);
        holder->infos = infos_of(holder->model);
        return holder;
      },
      [](Napi::Env env, HolderPtr& holder) -> Napi::Value { return ModelHandle::wrap(env, AddonEnv::of(env).model_class, holder); });
}

}  // namespace

void ModelHandle::define(Napi::Env env, AddonEnv& addon) {
  addon.model_class = Napi::Persistent(DefineClass(
      env, kName,
      {InstanceMethod<&ModelHandle::describe>("describe"), InstanceMethod<&ModelHandle::forward>("forward"), InstanceMethod<&ModelHandle::state_dict>("stateDict"),
       InstanceMethod<&ModelHandle::load_state_dict>("loadStateDict"), InstanceMethod<&ModelHandle::gradients>("gradients"), InstanceMethod<&ModelHandle::copy_seconds>("copySeconds"),
       InstanceMethod<&ModelHandle::set_training>("setTraining"), InstanceMethod<&ModelHandle::set_requires_grad>("setRequiresGrad"),
       InstanceAccessor("disposed", &ModelHandle::js_disposed, nullptr), InstanceMethod("dispose", &ModelHandle::js_dispose)}));
}

Napi::Value ModelHandle::describe(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const HolderPtr holder = get("describe");
  auto array = Napi::Array::New(env, holder->infos.size());
  for (uint32_t i = 0; i < holder->infos.size(); i++) {
    const auto& entry = holder->infos[i];
    auto object = Napi::Object::New(env);
    object.Set("name", entry.name);
    object.Set("shape", shape_to_js(env, entry.shape));
    object.Set("dtype", dtype_name(entry.dtype));
    object.Set("kind", entry.is_parameter ? "parameter" : "buffer");
    object.Set("requiresGrad", entry.requires_grad);
    if (!entry.alias_of.empty()) object.Set("aliasOf", entry.alias_of);
    array.Set(i, object);
  }
  return array;
}

Napi::Value ModelHandle::forward(const Napi::CallbackInfo& info) {
  using Outputs = std::vector<std::pair<std::string, TensorPtr>>;
  const HolderPtr holder = get("forward");
  const TensorPtr z = TensorHandle::unwrap(info[0], "im_z"), x = TensorHandle::unwrap(info[1], "im_x");
  return AddonEnv::of(info.Env()).run<Outputs>(
      info.Env(), "forward",
      [holder, z, x] {
        const core::HeadOutput out = holder->model->train_forward(z->tensor, x->tensor);
        Outputs outputs = {{"cls_pred", make_slot(out.cls)}, {"ctr_pred", make_slot(out.ctr)}, {"box_pred", make_slot(out.box)}};
        if (holder->model->options().corr_fea_output) outputs.emplace_back("corr_fea", make_slot(out.corr_fea));
        return outputs;
      },
      [](Napi::Env env, Outputs& outputs) -> Napi::Value { return tensors_to_js(env, outputs); });
}

Napi::Value ModelHandle::state_dict(const Napi::CallbackInfo& info) {
  const HolderPtr holder = get("stateDict");
  return AddonEnv::of(info.Env()).run<std::vector<RawTensor>>(
      info.Env(), "stateDict",
      [holder] {
        std::vector<RawTensor> raws;
        for (const auto& entry : holder->model->state_entries()) raws.push_back(raw_from_tensor(entry.tensor, entry.name));
        return raws;
      },
      [](Napi::Env env, std::vector<RawTensor>& raws) -> Napi::Value { return raws_to_js(env, raws); });
}

Napi::Value ModelHandle::load_state_dict(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const HolderPtr holder = get("loadStateDict");
  auto raws = std::make_shared<std::vector<RawTensor>>();
  try {
    *raws = raws_from_js(info[0]);
  } catch (const SiamException&) {
    AddonEnv::of(env).throw_error(env, current_failure("loadStateDict"));
  }
  return AddonEnv::of(env).run_void(env, "loadStateDict", [holder, raws] {
    c10::NoGradGuard no_grad;
    const auto table = by_name(holder->model);
    std::vector<std::pair<at::Tensor, at::Tensor>> copies;  // all are checked before the first is written
    for (const auto& raw : *raws) {
      const auto found = table.find(raw.name);
      if (found == table.end()) throw SiamException("ERR_CHECKPOINT", "loadStateDict: the model has no '" + raw.name + "'");
      const at::Tensor source = tensor_from_raw(raw);
      if (source.sizes() != found->second.sizes()) {
        throw SiamException("ERR_CHECKPOINT", "loadStateDict: expected '" + raw.name + "' of shape " + c10::str(found->second.sizes()) + " but received " + c10::str(source.sizes()));
      }
      copies.emplace_back(found->second, source);
    }
    for (auto& [target, source] : copies) target.copy_(source);
    holder->buffers->note_load();
  });
}

Napi::Value ModelHandle::gradients(const Napi::CallbackInfo& info) {
  using Raws = std::vector<std::optional<RawTensor>>;
  const HolderPtr holder = get("gradients");
  const auto names = strings_from_js(info[0]);
  return AddonEnv::of(info.Env()).run<Raws>(
      info.Env(), "gradients",
      [holder, names] {
        const auto table = by_name(holder->model);
        Raws raws;
        for (const auto& name : names) {
          const auto found = table.find(name);
          if (found == table.end()) throw SiamException("ERR_ARGUMENT", "gradients: the model has no '" + name + "'");
          const at::Tensor& gradient = found->second.grad();
          raws.push_back(gradient.defined() ? std::optional<RawTensor>(raw_from_tensor(gradient, name)) : std::nullopt);
        }
        return raws;
      },
      [](Napi::Env env, Raws& raws) -> Napi::Value {
        auto array = Napi::Array::New(env, raws.size());
        for (uint32_t i = 0; i < raws.size(); i++) array.Set(i, raws[i] ? Napi::Value(raw_to_js(env, *raws[i])) : env.Null());
        return array;
      });
}

Napi::Value ModelHandle::copy_seconds(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(get("copySeconds")->model->copy_nanoseconds()) * 1e-9);
}

Napi::Value ModelHandle::set_training(const Napi::CallbackInfo& info) {
  const HolderPtr holder = get("setTraining");
  const bool training = info[0].ToBoolean();
  AddonEnv::of(info.Env()).post("setTraining", [holder, training] { holder->model->train(training); });
  return info.Env().Undefined();
}

Napi::Value ModelHandle::set_requires_grad(const Napi::CallbackInfo& info) {
  const HolderPtr holder = get("setRequiresGrad");
  const auto names = strings_from_js(info[0]);
  const bool requires_grad = info[1].ToBoolean();
  for (auto& entry : holder->infos) {
    if (std::find(names.begin(), names.end(), entry.name) != names.end()) entry.requires_grad = requires_grad;
  }
  AddonEnv::of(info.Env()).post("setRequiresGrad", [holder, names, requires_grad] {
    auto table = by_name(holder->model);
    for (const auto& name : names) {
      const auto found = table.find(name);
      if (found == table.end()) throw SiamException("ERR_ARGUMENT", "setRequiresGrad: the model has no '" + name + "'");
      found->second.requires_grad_(requires_grad);
      if (!requires_grad) found->second.mutable_grad().reset();  // a stale gradient would still be stepped on
    }
  });
  return info.Env().Undefined();
}

void register_model(Napi::Env env, Napi::Object exports, AddonEnv& addon) {
  ModelHandle::define(env, addon);
  exports.Set("createModel", Napi::Function::New(env, create_model, "createModel"));
}

}  // namespace siam::binding
