// Each binding file adds its part of the contract (lib/native/addon.ts) to the exports.
#pragma once

#include <napi.h>

namespace siam::binding {

class AddonEnv;

void register_tensor(Napi::Env env, Napi::Object exports, AddonEnv& addon);
void register_model(Napi::Env env, Napi::Object exports, AddonEnv& addon);
void register_training(Napi::Env env, Napi::Object exports, AddonEnv& addon);
void register_ema(Napi::Env env, Napi::Object exports, AddonEnv& addon);
void register_runtime(Napi::Env env, Napi::Object exports, AddonEnv& addon);
void register_device_copies(Napi::Env env, Napi::Object exports, AddonEnv& addon);
void register_cuda_kernels(Napi::Env env, Napi::Object exports, AddonEnv& addon);
void register_data(Napi::Env env, Napi::Object exports, AddonEnv& addon);
/// Called by register_data.
void register_data_frames(Napi::Env env, Napi::Object exports);
void register_distributed(Napi::Env env, Napi::Object exports, AddonEnv& addon);
void register_step_graph(Napi::Env env, Napi::Object exports, AddonEnv& addon);
void register_profile(Napi::Env env, Napi::Object exports);
void register_tracker(Napi::Env env, Napi::Object exports, AddonEnv& addon);
void register_multi_tracker(Napi::Env env, Napi::Object exports, AddonEnv& addon);

/// Calls all of the above (registration.cc).
void register_all(Napi::Env env, Napi::Object exports, AddonEnv& addon);

}  // namespace siam::binding
