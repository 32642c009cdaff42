// toDevice of lib/native/addon.ts, and the device that stands in for one in its tests.
#include "../engine/device_copies.h"

#include "../base/error.h"
#include "../engine/cuda_runtime.h"
#include "../engine/late_device.h"
#include "convert.h"
#include "registration.h"
#include "tensor.h"

namespace siam::binding {
namespace {

Napi::Value to_device(const Napi::CallbackInfo& info) {
  using Moved = std::vector<std::pair<std::string, TensorPtr>>;
  Napi::Env env = info.Env();
  AddonEnv& addon = AddonEnv::of(env);
  auto batch = std::make_shared<Moved>(tensors_from_js(info[0]));
  const std::string name = info[1].As<Napi::String>().Utf8Value();
  return addon.run<Moved>(
      env, "toDevice",
      [&addon, batch, name] {
        std::vector<at::Tensor> sources;
        for (const auto& [key, slot] : *batch) sources.push_back(slot->tensor);
        const std::vector<at::Tensor> copies = addon.device_copies.to(sources, engine::device_named(name));
        Moved moved;
        for (size_t i = 0; i < copies.size(); i++) moved.emplace_back((*batch)[i].first, make_slot(copies[i]));
        batch->clear();
        return moved;
      },
      [](Napi::Env e, Moved& moved) -> Napi::Value { return tensors_to_js(e, moved); });
}

Napi::Value held_copies(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(AddonEnv::of(info.Env()).device_copies.held()));
}

/// The environment's late device, if it has one; JavaScript thread only.
std::shared_ptr<engine::LateDevice>& late_device(Napi::Env) {
  thread_local std::shared_ptr<engine::LateDevice> device;  // an environment has its thread to itself
  return device;
}

Napi::Value delay_copies(const Napi::CallbackInfo& info) {
  AddonEnv& addon = AddonEnv::of(info.Env());
  auto& late = late_device(info.Env());
  late = info[0].ToBoolean().Value() ? std::make_shared<engine::LateDevice>() : nullptr;
  return addon.run_void(info.Env(), "delayCopies", [&addon, device = late] { addon.device_copies.use(device ? device : engine::torch_device()); });
}

Napi::Value finish_copies(const Napi::CallbackInfo& info) {
  if (const auto& late = late_device(info.Env())) late->finish();
  return info.Env().Undefined();
}

}  // namespace

void register_device_copies(Napi::Env env, Napi::Object exports, AddonEnv&) {
  const auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) { exports.Set(name, Napi::Function::New(env, function, name)); };
  add("toDevice", to_device);
  add("heldCopies", held_copies);
  add("delayCopies", delay_copies);
  add("finishCopies", finish_copies);
}

}  // namespace siam::binding
