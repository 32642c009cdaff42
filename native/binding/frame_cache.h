// NativeFrameCache of lib/native/addon.ts.
#pragma once

#include "../data/frame_cache.h"
#include "handle.h"

namespace siam::binding {

class FrameCacheHandle : public Handle<FrameCacheHandle, data::FrameCache> {
 public:
  static constexpr const char* kName = "FrameCache";
  static const napi_type_tag kTag;
  using Handle::Handle;
  static void define(Napi::Env env, AddonEnv& addon);
  /// createFrameCache(limitBytes) → handle
  static Napi::Value create(const Napi::CallbackInfo& info);
};

}  // namespace siam::binding
