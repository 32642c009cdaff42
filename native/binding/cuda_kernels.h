#pragma once

#include <napi.h>

namespace siam::binding {

/// timeCudaKernel of lib/native/addon-cuda-kernels.ts (cuda_kernels_bench.cc).
Napi::Value time_cuda_kernel(const Napi::CallbackInfo& info);

}  // namespace siam::binding
