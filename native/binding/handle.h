// What all handles share: a type tag checked at every unwrap, idempotent dispose, ERR_DISPOSED after it.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "addon_env.h"

namespace siam::binding {

/// A JavaScript object that owns one shared C++ object. `Derived` gives `static constexpr const char* kName` and `static const napi_type_tag kTag`.
template <class Derived, class T>
class Handle : public Napi::ObjectWrap<Derived> {
 public:
  explicit Handle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Derived>(info) {
    info.This().template As<Napi::Object>().TypeTag(&Derived::kTag);
    // Only our own `wrap` passes the External: `new Tensor()` from JavaScript makes an object that is disposed already.
    if (info.Length() == 1 && info[0].IsExternal()) object_ = *info[0].template As<Napi::External<std::shared_ptr<T>>>().Data();
    if (!object_) return;
    counted_ = true;
    AddonEnv::of(info.Env()).live_handles++;
  }

  ~Handle() override {
    auto* addon = this->Env().template GetInstanceData<AddonEnv>();
    if (addon == nullptr || !object_) return;
    uncount(*addon);
    addon->release_on_engine(std::move(object_));
  }

  static Napi::Object wrap(Napi::Env env, Napi::FunctionReference& constructor, std::shared_ptr<T> object) {
    return constructor.New({Napi::External<std::shared_ptr<T>>::New(env, &object)});
  }

  /// @throws a JavaScript ERR_ARGUMENT when `value` is no such handle, ERR_DISPOSED when it was disposed
  static std::shared_ptr<T> unwrap(const Napi::Value& value, const char* argument) {
    Napi::Env env = value.Env();
    if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&Derived::kTag)) {
      AddonEnv::of(env).throw_error(env, {"ERR_ARGUMENT", std::string("Expected a ") + Derived::kName + " for " + argument, ""});
    }
    return Napi::ObjectWrap<Derived>::Unwrap(value.As<Napi::Object>())->get(argument);
  }

  std::shared_ptr<T> get(const char* operation) {
    if (!object_) {
      Napi::Env env = this->Env();
      AddonEnv::of(env).throw_error(env, {"ERR_DISPOSED", std::string(operation) + ": this " + Derived::kName + " was disposed", ""});
    }
    return object_;
  }

 protected:
  Napi::Value js_disposed(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), !object_); }
  Napi::Value js_dispose(const Napi::CallbackInfo& info) {
    uncount(AddonEnv::of(info.Env()));
    AddonEnv::of(info.Env()).release_on_engine(std::move(object_));
    object_.reset();
    return info.Env().Undefined();
  }

  /// Tells V8 how much memory hangs on this handle, so that it collects dropped ones in time.
  void account(int64_t host_bytes) {
    host_bytes_ += host_bytes;
    Napi::MemoryManagement::AdjustExternalMemory(this->Env(), host_bytes);
  }

  /// Takes this handle off the count of live ones, once: at dispose, at the loader's close, or when it is collected.
  void uncount(AddonEnv& addon) {
    if (!counted_) return;
    counted_ = false;
    addon.live_handles--;
    account(-host_bytes_);
  }

  std::shared_ptr<T> object_;

 private:
  bool counted_ = false;
  int64_t host_bytes_ = 0;
};

}  // namespace siam::binding
