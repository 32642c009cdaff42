// NativeLoader of lib/native/addon.ts.
#pragma once

#include "../data/loader.h"
#include "handle.h"

namespace siam::binding {

class LoaderHandle : public Handle<LoaderHandle, data::Loader> {
 public:
  static constexpr const char* kName = "Loader";
  static const napi_type_tag kTag;
  using Handle::Handle;
  ~LoaderHandle() override;
  static void define(Napi::Env env, AddonEnv& addon);
  static Napi::Value create(const Napi::CallbackInfo& info);

 private:
  Napi::Value next(const Napi::CallbackInfo& info);
  Napi::Value stats(const Napi::CallbackInfo& info);
  Napi::Value take_skipped(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);
};

}  // namespace siam::binding
