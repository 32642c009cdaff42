// How CUDA's libraries compute. Of the whole process; nothing here changes a result on the CPU.
#pragma once

namespace siam::engine {

struct CudaSettings {
  bool tf32_convolutions = true;  ///< float32 convolutions multiply with 10 bits of mantissa on tensor cores; PyTorch's default
  bool tf32_matmuls = false;      ///< the same for matrix products; PyTorch's default
  bool cudnn_benchmark = false;   ///< cuDNN tries its algorithms at the first convolution of each shape and keeps the fastest
  bool deterministic = false;     ///< cuDNN takes only algorithms that give the same bits every time; no benchmark then
};

/// Thread: engine.
void apply(const CudaSettings& settings);

/// What holds now.
CudaSettings current_cuda_settings();

}  // namespace siam::engine
