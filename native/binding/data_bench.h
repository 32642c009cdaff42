// measureDecodeLimit of lib/native/addon.ts.
#pragma once

#include <napi.h>

namespace siam::binding {

Napi::Value measure_decode_limit(const Napi::CallbackInfo& info);

}  // namespace siam::binding
