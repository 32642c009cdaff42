// NativeLoss, NativeSgd and NativeGradScaler of lib/native/addon.ts.
#pragma once

#include "../core/grad_scaler.h"
#include "../core/guarded_sgd.h"
#include "../core/losses.h"
#include "handle.h"

namespace siam::binding {

class LossHandle : public Handle<LossHandle, core::Loss> {
 public:
  static constexpr const char* kName = "Loss";
  static const napi_type_tag kTag;
  using Handle::Handle;
  static void define(Napi::Env env, AddonEnv& addon);

 private:
  Napi::Value forward(const Napi::CallbackInfo& info);
};

class SgdHandle : public Handle<SgdHandle, core::GuardedSgd> {
 public:
  static constexpr const char* kName = "Optimizer";
  static const napi_type_tag kTag;
  using Handle::Handle;
  static void define(Napi::Env env, AddonEnv& addon);

 private:
  Napi::Value zero_grad(const Napi::CallbackInfo& info);
  Napi::Value set_lr(const Napi::CallbackInfo& info);
  Napi::Value backward(const Napi::CallbackInfo& info);  // sgd_step.cc
  Napi::Value step(const Napi::CallbackInfo& info);      // sgd_step.cc
  Napi::Value momentum_buffers(const Napi::CallbackInfo& info);
  Napi::Value load_momentum_buffers(const Napi::CallbackInfo& info);
  Napi::Value grad_norm(const Napi::CallbackInfo& info);
  Napi::Value clip_grad_norm(const Napi::CallbackInfo& info);
  Napi::Value clip_grad_value(const Napi::CallbackInfo& info);
};

class GradScalerHandle : public Handle<GradScalerHandle, core::GradScaler> {
 public:
  static constexpr const char* kName = "GradScaler";
  static const napi_type_tag kTag;
  using Handle::Handle;
  static void define(Napi::Env env, AddonEnv& addon);

 private:
  Napi::Value scale(const Napi::CallbackInfo& info);
  Napi::Value unscale(const Napi::CallbackInfo& info);
  Napi::Value step(const Napi::CallbackInfo& info);
  Napi::Value update(const Napi::CallbackInfo& info);
  Napi::Value state_dict(const Napi::CallbackInfo& info);
  Napi::Value load_state_dict(const Napi::CallbackInfo& info);
};

}  // namespace siam::binding
