#include "ema.h"

#include <map>

#include "../base/error.h"
#include "convert.h"
#include "model.h"
#include "registration.h"

namespace siam::binding {

const napi_type_tag EmaHandle::kTag = {0x3d7fa02c91be4c65, 0xb8265e9f07d1a43c};

void EmaHandle::define(Napi::Env env, AddonEnv& addon) {
  addon.ema_class = Napi::Persistent(
      DefineClass(env, kName,
                  {InstanceMethod<&EmaHandle::begin>("begin"), InstanceMethod<&EmaHandle::update>("update"), InstanceMethod<&EmaHandle::set_updates>("setUpdates"), InstanceMethod<&EmaHandle::reset>("reset"),
                   InstanceMethod<&EmaHandle::state_dict>("stateDict"), InstanceMethod<&EmaHandle::load_state_dict>("loadStateDict"),
                   InstanceAccessor("disposed", &EmaHandle::js_disposed, nullptr), InstanceMethod("dispose", &EmaHandle::js_dispose)}));
}

Napi::Value EmaHandle::begin(const Napi::CallbackInfo& info) {
  const auto ema = get("Ema.begin");
  AddonEnv::of(info.Env()).post("Ema.begin", [ema] { ema->begin(); });
  return info.Env().Undefined();
}

Napi::Value EmaHandle::update(const Napi::CallbackInfo& info) {
  const auto ema = get("Ema.update");
  const double decay = info[0].As<Napi::Number>().DoubleValue();
  return AddonEnv::of(info.Env()).run_void(info.Env(), "Ema.update", [ema, decay] { ema->update(decay); });
}

Napi::Value EmaHandle::set_updates(const Napi::CallbackInfo& info) {
  const auto ema = get("Ema.setUpdates");
  const double updates = info[0].As<Napi::Number>().DoubleValue();
  AddonEnv::of(info.Env()).post("Ema.setUpdates", [ema, updates] { ema->set_updates(updates); });
  return info.Env().Undefined();
}

Napi::Value EmaHandle::reset(const Napi::CallbackInfo& info) {
  const auto ema = get("Ema.reset");
  AddonEnv::of(info.Env()).post("Ema.reset", [ema] { ema->reset(); });
  return info.Env().Undefined();
}

Napi::Value EmaHandle::state_dict(const Napi::CallbackInfo& info) {
  const auto ema = get("Ema.stateDict");
  return AddonEnv::of(info.Env()).run<std::vector<RawTensor>>(
      info.Env(), "Ema.stateDict",
      [ema] {
        std::vector<RawTensor> raws;
        for (const auto& entry : ema->entries()) raws.push_back(raw_from_tensor(core::Ema::average(entry), entry.name));
        return raws;
      },
      [](Napi::Env env, std::vector<RawTensor>& raws) -> Napi::Value { return raws_to_js(env, raws); });
}

Napi::Value EmaHandle::load_state_dict(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const auto ema = get("Ema.loadStateDict");
  auto raws = std::make_shared<std::vector<RawTensor>>();
  try {
    *raws = raws_from_js(info[0]);
  } catch (const SiamException&) {
    AddonEnv::of(env).throw_error(env, current_failure("Ema.loadStateDict"));
  }
  return AddonEnv::of(env).run_void(env, "Ema.loadStateDict", [ema, raws] {
    std::map<std::string, const RawTensor*> table;
    for (const auto& raw : *raws) table[raw.name] = &raw;
    std::vector<at::Tensor> tensors;  // all are checked before the first is written
    for (const auto& entry : ema->entries()) {
      const auto found = table.find(entry.name);
      if (found == table.end()) throw SiamException("ERR_CHECKPOINT", "Ema.loadStateDict: expected '" + entry.name + "' but it is missing");
      tensors.push_back(tensor_from_raw(*found->second));
      if (tensors.back().sizes() != entry.value.sizes()) {
        throw SiamException("ERR_CHECKPOINT",
                            "Ema.loadStateDict: expected '" + entry.name + "' of shape " + c10::str(entry.value.sizes()) + " but received " + c10::str(tensors.back().sizes()));
      }
    }
    ema->load(tensors);
  });
}

namespace {

Napi::Value create_ema(const Napi::CallbackInfo& info) {
  const auto holder = ModelHandle::unwrap(info[0], "model");
  std::vector<core::Ema::Entry> entries;
  for (auto& entry : holder->model->state_entries()) entries.push_back({entry.name, entry.tensor, at::Tensor()});
  return EmaHandle::wrap(info.Env(), AddonEnv::of(info.Env()).ema_class, std::make_shared<core::Ema>(std::move(entries)));
}

}  // namespace

void register_ema(Napi::Env env, Napi::Object exports, AddonEnv& addon) {
  EmaHandle::define(env, addon);
  exports.Set("createEma", Napi::Function::New(env, create_ema, "createEma"));
}

}  // namespace siam::binding
