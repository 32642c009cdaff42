// What the binding's synchronous functions share.
#pragma once

#include <napi.h>

#include <cstring>

#include "addon_env.h"

namespace siam::binding {

/// Runs `work` and turns what it throws into the JavaScript error.
template <class Work>
Napi::Value guarded(const Napi::CallbackInfo& info, const char* operation, const Work& work) {
  try {
    return work();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    AddonEnv::of(info.Env()).throw_error(info.Env(), current_failure(operation));
  }
}

inline Napi::Uint8Array bytes_to_js(Napi::Env env, const uint8_t* data, size_t size) {
  auto buffer = Napi::ArrayBuffer::New(env, size);
  if (size > 0) std::memcpy(buffer.Data(), data, size);
  return Napi::Uint8Array::New(env, size, buffer, 0);
}

}  // namespace siam::binding
