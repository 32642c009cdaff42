// NativeDeviceClock of lib/native/addon-cuda.ts.
#pragma once

#include "../engine/device_clock.h"
#include "handle.h"

namespace siam::binding {

class DeviceClockHandle : public Handle<DeviceClockHandle, engine::DeviceClock> {
 public:
  static constexpr const char* kName = "DeviceClock";
  static const napi_type_tag kTag;
  using Handle::Handle;
  static Napi::Function define(Napi::Env env);

 private:
  Napi::Value begin(const Napi::CallbackInfo& info);
  Napi::Value end(const Napi::CallbackInfo& info);
  Napi::Value take(const Napi::CallbackInfo& info);
  Napi::Value drop(const Napi::CallbackInfo& info);
};

}  // namespace siam::binding
