// CudaAddon of lib/native/addon-cuda.ts.
#pragma once

#include <napi.h>

namespace siam::binding {

class AddonEnv;

void register_cuda(Napi::Env env, Napi::Object exports, AddonEnv& addon);
/// Called by register_cuda.
void register_device_clock(Napi::Env env, Napi::Object exports);

}  // namespace siam::binding
