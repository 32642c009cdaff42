// engine::CudaGraph on at::cuda::CUDAGraph.
#pragma once

#include "../engine/cuda_extension.h"

namespace siam::cuda_target {

/// Captures on a stream of its own from the pool of `device`, in the mode that lets other threads go on. Thread: engine.
std::unique_ptr<engine::CudaGraph> make_graph(c10::DeviceIndex device);

}  // namespace siam::cuda_target
