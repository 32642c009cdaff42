// NativeProcessGroup and NativeGradientReducer of lib/native/addon-distributed.ts.
#pragma once

#include "../distributed/gradient_reducer.h"
#include "../distributed/process_group.h"
#include "handle.h"

namespace siam::binding {

class ProcessGroupHandle : public Handle<ProcessGroupHandle, distributed::ProcessGroup> {
 public:
  static constexpr const char* kName = "ProcessGroup";
  static const napi_type_tag kTag;
  using Handle::Handle;
  static void define(Napi::Env env, AddonEnv& addon);

 private:
  Napi::Value broadcast_model(const Napi::CallbackInfo& info);
  Napi::Value broadcast_bytes(const Napi::CallbackInfo& info);
  Napi::Value average(const Napi::CallbackInfo& info);
  Napi::Value maximum(const Napi::CallbackInfo& info);
  Napi::Value barrier(const Napi::CallbackInfo& info);
  Napi::Value sync_statistics(const Napi::CallbackInfo& info);
  Napi::Value gather_at(const Napi::CallbackInfo& info);
  Napi::Value leave_failed(const Napi::CallbackInfo& info);
  Napi::Value failure(const Napi::CallbackInfo& info);
  Napi::Value leave(const Napi::CallbackInfo& info);
};

class GradientReducerHandle : public Handle<GradientReducerHandle, distributed::GradientReducer> {
 public:
  static constexpr const char* kName = "GradientReducer";
  static const napi_type_tag kTag;
  using Handle::Handle;
  static void define(Napi::Env env, AddonEnv& addon);

 private:
  Napi::Value expect(const Napi::CallbackInfo& info);
};

}  // namespace siam::binding
