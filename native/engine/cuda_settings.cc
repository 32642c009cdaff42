#include "cuda_settings.h"

#include <ATen/Context.h>

namespace siam::engine {

void apply(const CudaSettings& settings) {
  at::Context& context = at::globalContext();
  // These two write both of libtorch's tables of precisions. Its newer call, setFloat32Precision, writes one of them, and an operation that asks
  // the other then throws ("you have used mix of the legacy and new APIs").
  context.setAllowTF32CuDNN(settings.tf32_convolutions);
  context.setAllowTF32CuBLAS(settings.tf32_matmuls);
  // A benchmark may choose another algorithm the next time, which rounds differently.
  context.setBenchmarkCuDNN(settings.cudnn_benchmark && !settings.deterministic);
  context.setDeterministicCuDNN(settings.deterministic);
}

CudaSettings current_cuda_settings() {
  const at::Context& context = at::globalContext();
  return {context.allowTF32CuDNN(at::Float32Op::CONV), context.allowTF32CuBLAS(), context.benchmarkCuDNN(), context.deterministicCuDNN()};
}

}  // namespace siam::engine
