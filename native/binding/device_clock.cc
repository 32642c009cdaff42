#include "device_clock.h"

#include "../engine/cuda_runtime.h"
#include "cuda.h"

namespace siam::binding {

const napi_type_tag DeviceClockHandle::kTag = {0x5be01c9a73fd4286, 0xa92f4d7e60b813c5};

Napi::Function DeviceClockHandle::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceMethod<&DeviceClockHandle::begin>("begin"), InstanceMethod<&DeviceClockHandle::end>("end"), InstanceMethod<&DeviceClockHandle::take>("take"),
                      InstanceMethod<&DeviceClockHandle::drop>("drop"), InstanceAccessor("disposed", &DeviceClockHandle::js_disposed, nullptr),
                      InstanceMethod("dispose", &DeviceClockHandle::js_dispose)});
}

Napi::Value DeviceClockHandle::begin(const Napi::CallbackInfo& info) {
  const auto clock = get("DeviceClock.begin");
  AddonEnv::of(info.Env()).post("DeviceClock.begin", [clock, stage = info[0].As<Napi::String>().Utf8Value()] { clock->begin(stage); });
  return info.Env().Undefined();
}

Napi::Value DeviceClockHandle::end(const Napi::CallbackInfo& info) {
  const auto clock = get("DeviceClock.end");
  AddonEnv::of(info.Env()).post("DeviceClock.end", [clock] { clock->end(); });
  return info.Env().Undefined();
}

Napi::Value DeviceClockHandle::take(const Napi::CallbackInfo& info) {
  using Seconds = std::map<std::string, double>;
  const auto clock = get("DeviceClock.take");
  return AddonEnv::of(info.Env()).run<Seconds>(
      info.Env(), "DeviceClock.take", [clock] { return clock->take(); },
      [](Napi::Env env, Seconds& seconds) -> Napi::Value {
        auto object = Napi::Object::New(env);
        for (const auto& [stage, value] : seconds) object.Set(stage, Napi::Number::New(env, value));
        return object;
      });
}

Napi::Value DeviceClockHandle::drop(const Napi::CallbackInfo& info) {
  const auto clock = get("DeviceClock.drop");
  AddonEnv::of(info.Env()).post("DeviceClock.drop", [clock] { clock->drop(); });
  return info.Env().Undefined();
}

void register_device_clock(Napi::Env env, Napi::Object exports) {
  // The class lives as long as the function that makes its objects.
  const auto constructor = std::make_shared<Napi::FunctionReference>(Napi::Persistent(DeviceClockHandle::define(env)));
  const auto create = [constructor](const Napi::CallbackInfo& info) -> Napi::Value {
    AddonEnv& addon = AddonEnv::of(info.Env());
    try {
      const c10::Device device = engine::device_named(info[0].As<Napi::String>().Utf8Value());
      return DeviceClockHandle::wrap(info.Env(), *constructor, std::make_shared<engine::DeviceClock>(device));
    } catch (const Napi::Error&) {
      throw;
    } catch (...) {
      addon.throw_error(info.Env(), current_failure("createDeviceClock"));
    }
  };
  exports.Set("createDeviceClock", Napi::Function::New(env, create, "createDeviceClock"));
}

}  // namespace siam::binding
