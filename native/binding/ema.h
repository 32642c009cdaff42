// NativeEma of lib/native/addon.ts.
#pragma once

#include "../core/ema.h"
#include "handle.h"

namespace siam::binding {

class EmaHandle : public Handle<EmaHandle, core::Ema> {
 public:
  static constexpr const char* kName = "Ema";
  static const napi_type_tag kTag;
  using Handle::Handle;
  static void define(Napi::Env env, AddonEnv& addon);

 private:
  Napi::Value begin(const Napi::CallbackInfo& info);
  Napi::Value update(const Napi::CallbackInfo& info);
  Napi::Value set_updates(const Napi::CallbackInfo& info);
  Napi::Value reset(const Napi::CallbackInfo& info);
  Napi::Value state_dict(const Napi::CallbackInfo& info);
  Napi::Value load_state_dict(const Napi::CallbackInfo& info);
};

}  // namespace siam::binding
