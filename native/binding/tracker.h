// NativeTracker of lib/native/addon.ts.
#pragma once

#include "../tracking/tracker.h"
#include "handle.h"

namespace siam::binding {

class TrackerHandle : public Handle<TrackerHandle, tracking::Tracker> {
 public:
  static constexpr const char* kName = "Tracker";
  static const napi_type_tag kTag;
  using Handle::Handle;
  static void define(Napi::Env env, AddonEnv& addon);

 private:
  Napi::Value init(const Napi::CallbackInfo& info);
  Napi::Value update(const Napi::CallbackInfo& info);
  Napi::Value debug(const Napi::CallbackInfo& info);
};

}  // namespace siam::binding
