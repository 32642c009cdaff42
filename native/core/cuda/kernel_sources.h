// The texts of native/core/cuda/kernels, embedded by CMake (kernel_sources.cc.in).
#pragma once

namespace siam::core::cuda {

extern const char* const kCommonSource;
extern const char* const kBatchNormSource;
extern const char* const kNormPoolSource;
extern const char* const kAveragePoolSource;
extern const char* const kXcorrSource;
extern const char* const kImageSource;
extern const char* const kLossesSource;

}  // namespace siam::core::cuda
