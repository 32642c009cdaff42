#include "training.h"

#include "../base/error.h"
#include "../core/clip.h"
#include "convert.h"
#include "model.h"
#include "registration.h"
#include "tensor.h"

namespace siam::binding {

const napi_type_tag LossHandle::kTag = {0x51c0b7e2a94d4f36, 0x8e17d25c60fba391};
const napi_type_tag SgdHandle::kTag = {0x6fd2930b7ea845c1, 0xa54b1e88d70c2f63};
const napi_type_tag GradScalerHandle::kTag = {0x90a7e4315bcd4e28, 0xc3f86b07125de94a};

// --- losses -------------------------------------------------------------------------------------------------------------------------------

void LossHandle::define(Napi::Env env, AddonEnv& addon) {
  addon.loss_class = Napi::Persistent(DefineClass(env, kName,
                                                  {InstanceMethod<&LossHandle::forward>("forward"), InstanceAccessor("disposed", &LossHandle::js_disposed, nullptr),
                                                   InstanceMethod("dispose", &LossHandle::js_dispose)}));
}

Napi::Value LossHandle::forward(const Napi::CallbackInfo& info) {
  using Result = std::pair<TensorPtr, std::vector<std::pair<std::string, TensorPtr>>>;
  const auto loss = get("forward");
  const auto inputs = tensors_from_js(info[0]);
  return AddonEnv::of(info.Env()).run<Result>(
      info.Env(), "loss",
      [loss, inputs] {
        core::TensorMap map;
        for (const auto& [name, slot] : inputs) map[name] = slot->tensor;
        const core::LossOutput out = loss->forward(map);
        Result result{make_slot(out.loss), {}};
        for (const auto& [name, tensor] : out.extras) result.second.emplace_back(name, make_slot(tensor));
        return result;
      },
      [](Napi::Env env, Result& result) -> Napi::Value {
        auto object = Napi::Object::New(env);
        object.Set("loss", TensorHandle::wrap(env, result.first));
        object.Set("extras", tensors_to_js(env, result.second));
        return object;
      });
}

namespace {

std::unique_ptr<core::Loss> make_loss(const Napi::Object& spec) {
  const std::string type = text(spec, "type");
  const double weight = number<double>(spec, "weight");
  if (type == "SigmoidCrossEntropyCenterness") return core::make_sigmoid_ce_centerness(weight);
  if (type == "IOULoss") return core::make_iou_loss(weight);
  const core::FocalOptions options{weight, number<double>(spec, "alpha"), number<double>(spec, "gamma"), number<double>(spec, "ignoreLabel")};
  if (type == "FocalLoss") return core::make_focal_loss(options);
  if (type == "SigmoidCrossEntropyRetina") return core::make_sigmoid_ce_retina(options);
  throw SiamException("ERR_CONFIG", "Expected FocalLoss, SigmoidCrossEntropyRetina, SigmoidCrossEntropyCenterness or IOULoss for the loss but received '" + type + "'");
}

Napi::Value create_loss(const Napi::CallbackInfo& info) {
  AddonEnv& addon = AddonEnv::of(info.Env());
  try {
    return LossHandle::wrap(info.Env(), addon.loss_class, std::shared_ptr<core::Loss>(make_loss(info[0].As<Napi::Object>())));
  } catch (const SiamException&) {
    addon.throw_error(info.Env(), current_failure("createLoss"));
  }
}

}  // namespace

// --- optimizer ------------------------------------------------------------------------------------------------------------------------------

void SgdHandle::define(Napi::Env env, AddonEnv& addon) {
  addon.sgd_class = Napi::Persistent(DefineClass(
      env, kName,
      {InstanceMethod<&SgdHandle::zero_grad>("zeroGrad"), InstanceMethod<&SgdHandle::set_lr>("setLr"), InstanceMethod<&SgdHandle::backward>("backward"),
       InstanceMethod<&SgdHandle::step>("step"),
       InstanceMethod<&SgdHandle::momentum_buffers>("momentumBuffers"), InstanceMethod<&SgdHandle::load_momentum_buffers>("loadMomentumBuffers"),
       InstanceMethod<&SgdHandle::grad_norm>("gradNorm"), InstanceMethod<&SgdHandle::clip_grad_norm>("clipGradNorm"), InstanceMethod<&SgdHandle::clip_grad_value>("clipGradValue"),
       InstanceAccessor("disposed", &SgdHandle::js_disposed, nullptr), InstanceMethod("dispose", &SgdHandle::js_dispose)}));
}

Napi::Value SgdHandle::zero_grad(const Napi::CallbackInfo& info) {
  const auto sgd = get("zeroGrad");
  AddonEnv::of(info.Env()).post("zeroGrad", [sgd] { sgd->zero_grad(); });
  return info.Env().Undefined();
}

Napi::Value SgdHandle::set_lr(const Napi::CallbackInfo& info) {
  const auto sgd = get("setLr");
  const auto group = static_cast<size_t>(info[0].As<Napi::Number>().Uint32Value());
  const double lr = info[1].As<Napi::Number>().DoubleValue();
  AddonEnv::of(info.Env()).post("setLr", [sgd, group, lr] { sgd->set_lr(group, lr); });
  return info.Env().Undefined();
}

Napi::Value SgdHandle::momentum_buffers(const Napi::CallbackInfo& info) {
  const auto sgd = get("momentumBuffers");
  return AddonEnv::of(info.Env()).run<std::vector<RawTensor>>(
      info.Env(), "momentumBuffers",
      [sgd] {
        std::vector<RawTensor> raws;
        for (const auto& group : sgd->groups()) {
          for (const auto& name : group.names) {
            const auto found = sgd->momentum().find(name);
            if (found != sgd->momentum().end()) raws.push_back(raw_from_tensor(found->second, name));
          }
        }
        return raws;
      },
      [](Napi::Env env, std::vector<RawTensor>& raws) -> Napi::Value { return raws_to_js(env, raws); });
}

Napi::Value SgdHandle::load_momentum_buffers(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const auto sgd = get("loadMomentumBuffers");
  auto raws = std::make_shared<std::vector<RawTensor>>();
  try {
    *raws = raws_from_js(info[0]);
  } catch (const SiamException&) {
    AddonEnv::of(env).throw_error(env, current_failure("loadMomentumBuffers"));
  }
  return AddonEnv::of(env).run_void(env, "loadMomentumBuffers", [sgd, raws] {
    std::map<std::string, at::Tensor> parameters, loaded;
    for (const auto& group : sgd->groups()) {
      for (size_t i = 0; i < group.names.size(); i++) parameters[group.names[i]] = group.parameters[i];
    }
    for (const auto& raw : *raws) {
      const auto found = parameters.find(raw.name);
      if (found == parameters.end()) throw SiamException("ERR_CHECKPOINT", "loadMomentumBuffers: the optimizer has no parameter '" + raw.name + "'");
      const at::Tensor source = tensor_from_raw(raw);
      if (source.sizes() != found->second.sizes()) {
        throw SiamException("ERR_CHECKPOINT", "loadMomentumBuffers: expected '" + raw.name + "' of shape " + c10::str(found->second.sizes()) + " but received " + c10::str(source.sizes()));
      }
      loaded[raw.name] = at::empty_like(found->second.detach()).copy_(source);  // the parameter's memory format, as the fused step expects
    }
    sgd->momentum() = std::move(loaded);
  });
}

Napi::Value SgdHandle::grad_norm(const Napi::CallbackInfo& info) {
  const auto sgd = get("gradNorm");
  return AddonEnv::of(info.Env()).run<double>(
      info.Env(), "gradNorm",
      [sgd] {
        double total = 0;
        for (const auto& group : sgd->groups()) {
          for (const auto& parameter : group.parameters) {
            if (parameter.grad().defined()) total += parameter.grad().to(at::kDouble).square().sum().item<double>();
          }
        }
        return std::sqrt(total);
      },
      [](Napi::Env env, double& norm) -> Napi::Value { return Napi::Number::New(env, norm); });
}

Napi::Value SgdHandle::clip_grad_norm(const Napi::CallbackInfo& info) {
  const auto sgd = get("clipGradNorm");
  const double max_norm = info[0].As<Napi::Number>().DoubleValue();
  return AddonEnv::of(info.Env()).run<TensorPtr>(
      info.Env(), "clipGradNorm", [sgd, max_norm] { return make_slot(core::clip_grad_norm(*sgd, max_norm)); },
      [](Napi::Env env, TensorPtr& slot) -> Napi::Value { return TensorHandle::wrap(env, slot); });
}

Napi::Value SgdHandle::clip_grad_value(const Napi::CallbackInfo& info) {
  const auto sgd = get("clipGradValue");
  const double max_value = info[0].As<Napi::Number>().DoubleValue();
  AddonEnv::of(info.Env()).post("clipGradValue", [sgd, max_value] { core::clip_grad_value(*sgd, max_value); });
  return info.Env().Undefined();
}

namespace {

Napi::Value create_sgd(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  AddonEnv& addon = AddonEnv::of(env);
  const auto holder = ModelHandle::unwrap(info[0], "model");
  const auto array = info[1].As<Napi::Array>();
  std::map<std::string, at::Tensor> table;
  for (const auto& entry : holder->model->state_entries()) {
    if (entry.is_parameter) table[entry.name] = entry.tensor;
  }
  std::vector<core::SgdGroup> groups;
  for (uint32_t g = 0; g < array.Length(); g++) {
    const auto spec = array.Get(g).As<Napi::Object>();
    core::SgdGroup group;
    group.names = strings_from_js(spec.Get("parameters"));
    for (const auto& name : group.names) {
      const auto found = table.find(name);
      if (found == table.end()) addon.throw_error(env, {"ERR_ARGUMENT", "createSgd: the model has no parameter '" + name + "'", ""});
      group.parameters.push_back(found->second);
    }
    group.lr = number<double>(spec, "lr");
    group.momentum = number<double>(spec, "momentum");
    group.weight_decay = number<double>(spec, "weightDecay");
    group.dampening = number<double>(spec, "dampening");
    group.nesterov = boolean(spec, "nesterov");
    groups.push_back(std::move(group));
  }
  const bool deferred = info.Length() > 2 && info[2].IsObject() && boolean(info[2].As<Napi::Object>(), "deferred");
  return SgdHandle::wrap(env, addon.sgd_class, std::make_shared<core::GuardedSgd>(std::move(groups), holder->buffers, deferred));
}

core::GradScalerState scaler_state_from_js(const Napi::Object& object) {
  core::GradScalerState state;
  state.scale = number<double>(object, "scale");
  state.growth_factor = number<double>(object, "growth_factor");
  state.backoff_factor = number<double>(object, "backoff_factor");
  state.growth_interval = number<int64_t>(object, "growth_interval");
  state.growth_tracker = number<int64_t>(object, "_growth_tracker");
  return state;
}

Napi::Value create_grad_scaler(const Napi::CallbackInfo& info) {
  const auto spec = info[0].As<Napi::Object>();
  auto scaler = std::make_shared<core::GradScaler>(scaler_state_from_js(spec), boolean(spec, "enabled"));
  return GradScalerHandle::wrap(info.Env(), AddonEnv::of(info.Env()).scaler_class, scaler);
}

}  // namespace

// --- GradScaler -----------------------------------------------------------------------------------------------------------------------------

void GradScalerHandle::define(Napi::Env env, AddonEnv& addon) {
  addon.scaler_class = Napi::Persistent(
      DefineClass(env, kName,
                  {InstanceMethod<&GradScalerHandle::scale>("scale"), InstanceMethod<&GradScalerHandle::unscale>("unscale"), InstanceMethod<&GradScalerHandle::step>("step"),
                   InstanceMethod<&GradScalerHandle::update>("update"), InstanceMethod<&GradScalerHandle::state_dict>("stateDict"),
                   InstanceMethod<&GradScalerHandle::load_state_dict>("loadStateDict"), InstanceAccessor("disposed", &GradScalerHandle::js_disposed, nullptr),
                   InstanceMethod("dispose", &GradScalerHandle::js_dispose)}));
}

Napi::Value GradScalerHandle::scale(const Napi::CallbackInfo& info) {
  const auto scaler = get("scale");
  const TensorPtr loss = TensorHandle::unwrap(info[0], "loss");
  return AddonEnv::of(info.Env()).run<TensorPtr>(
      info.Env(), "GradScaler.scale", [scaler, loss] { return make_slot(scaler->scale(loss->tensor)); },
      [](Napi::Env env, TensorPtr& slot) -> Napi::Value { return TensorHandle::wrap(env, slot); });
}

Napi::Value GradScalerHandle::unscale(const Napi::CallbackInfo& info) {
  const auto scaler = get("unscale");
  const auto sgd = SgdHandle::unwrap(info[0], "optimizer");
  return AddonEnv::of(info.Env()).run_void(info.Env(), "GradScaler.unscale", [scaler, sgd] { scaler->unscale(*sgd); });
}

Napi::Value GradScalerHandle::step(const Napi::CallbackInfo& info) {
  const auto scaler = get("step");
  const auto sgd = SgdHandle::unwrap(info[0], "optimizer");
  return AddonEnv::of(info.Env()).run<bool>(
      info.Env(), "GradScaler.step", [scaler, sgd] { return scaler->step(*sgd); },
      [](Napi::Env env, bool& stepped) -> Napi::Value { return Napi::Boolean::New(env, stepped); });
}

Napi::Value GradScalerHandle::update(const Napi::CallbackInfo& info) {
  const auto scaler = get("update");
  return AddonEnv::of(info.Env()).run_void(info.Env(), "GradScaler.update", [scaler] { scaler->update(); });
}

Napi::Value GradScalerHandle::state_dict(const Napi::CallbackInfo& info) {
  const auto scaler = get("stateDict");
  return AddonEnv::of(info.Env()).run<core::GradScalerState>(
      info.Env(), "GradScaler.stateDict", [scaler] { return scaler->state(); },
      [](Napi::Env env, core::GradScalerState& state) -> Napi::Value {
        auto object = Napi::Object::New(env);
        object.Set("scale", state.scale);
        object.Set("growth_factor", state.growth_factor);
        object.Set("backoff_factor", state.backoff_factor);
        object.Set("growth_interval", static_cast<double>(state.growth_interval));
        object.Set("_growth_tracker", static_cast<double>(state.growth_tracker));
        return object;
      });
}

Napi::Value GradScalerHandle::load_state_dict(const Napi::CallbackInfo& info) {
  const auto scaler = get("loadStateDict");
  const auto state = scaler_state_from_js(info[0].As<Napi::Object>());
  return AddonEnv::of(info.Env()).run_void(info.Env(), "GradScaler.loadStateDict", [scaler, state] { scaler->load(state); });
}

void register_training(Napi::Env env, Napi::Object exports, AddonEnv& addon) {
  LossHandle::define(env, addon);
  SgdHandle::define(env, addon);
  GradScalerHandle::define(env, addon);
  exports.Set("createLoss", Napi::Function::New(env, create_loss, "createLoss"));
  exports.Set("createSgd", Napi::Function::New(env, create_sgd, "createSgd"));
  exports.Set("createGradScaler", Napi::Function::New(env, create_grad_scaler, "createGradScaler"));
}

}  // namespace siam::binding
