// What siamfcpp_cuda.so exports.
#include <torch/version.h>

#include "graph.h"
#ifdef SIAMFCPP_WITH_NCCL
#include "nccl_backend.h"
#endif

extern "C" __attribute__((visibility("default"))) const siam::engine::CudaExtension* siamfcpp_cuda_extension() {
  using namespace siam;
  static const engine::CudaExtension extension = [] {
    engine::CudaExtension made{};
    made.version = engine::CudaExtension::kVersion;
    made.torch_version = TORCH_VERSION;
    made.make_graph = &cuda_target::make_graph;
#ifdef SIAMFCPP_WITH_NCCL
    made.nccl_version = cuda_target::nccl_version();
    made.make_nccl = &cuda_target::make_nccl;
#endif
    return made;
  }();
  return &extension;
}
