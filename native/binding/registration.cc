#include "registration.h"

#include "cuda.h"

namespace siam::binding {

void register_all(Napi::Env env, Napi::Object exports, AddonEnv& addon) {
  register_tensor(env, exports, addon);
  register_model(env, exports, addon);
  register_training(env, exports, addon);
  register_ema(env, exports, addon);
  register_runtime(env, exports, addon);
  register_cuda(env, exports, addon);
  register_step_graph(env, exports, addon);
  register_tracker(env, exports, addon);
  register_multi_tracker(env, exports, addon);
  register_distributed(env, exports, addon);
  register_profile(env, exports);
  register_device_copies(env, exports, addon);
  register_cuda_kernels(env, exports, addon);
  register_data(env, exports, addon);
}

}  // namespace siam::binding
