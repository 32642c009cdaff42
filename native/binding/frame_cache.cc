#include "frame_cache.h"

namespace siam::binding {

const napi_type_tag FrameCacheHandle::kTag = {0x41f7c3d82e9b5a06, 0xa2c85b1fd07e6394};

void FrameCacheHandle::define(Napi::Env env, AddonEnv& addon) {
  addon.frame_cache_class = Napi::Persistent(
      DefineClass(env, kName, {InstanceAccessor("disposed", &FrameCacheHandle::js_disposed, nullptr), InstanceMethod("dispose", &FrameCacheHandle::js_dispose)}));
}

Napi::Value FrameCacheHandle::create(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  AddonEnv& addon = AddonEnv::of(env);
  try {
    const auto limit = static_cast<uint64_t>(info[0].As<Napi::Number>().DoubleValue());
    return wrap(env, addon.frame_cache_class, std::make_shared<data::FrameCache>(limit));
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    addon.throw_error(env, current_failure("createFrameCache"));
  }
}

}  // namespace siam::binding
