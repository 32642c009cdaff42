// How a GPU's libraries compute while a tracker's network runs.
#pragma once

#include <ATen/Context.h>

namespace siam::tracking::inference {

/// float32 means float32: no TensorFloat-32, which libtorch lets convolutions use. Algorithms are chosen by rule instead of by trying, so that
/// a sequence gives the same boxes in every run. What training has set comes back with the end of the scope.
class ExactScope {
 public:
  ExactScope() {
    context_.setFloat32Precision(at::Float32Backend::CUDA, at::Float32Op::CONV, at::Float32Precision::IEEE);
    context_.setBenchmarkCuDNN(false);
    context_.setDeterministicCuDNN(true);
  }
  ~ExactScope() {
    context_.setFloat32Precision(at::Float32Backend::CUDA, at::Float32Op::CONV, convolutions_);
    context_.setBenchmarkCuDNN(benchmark_);
    context_.setDeterministicCuDNN(deterministic_);
  }
  ExactScope(const ExactScope&) = delete;
  ExactScope& operator=(const ExactScope&) = delete;

 private:
  at::Context& context_ = at::globalContext();
  const at::Float32Precision convolutions_ = context_.float32Precision(at::Float32Backend::CUDA, at::Float32Op::CONV);
  const bool benchmark_ = context_.benchmarkCuDNN();
  const bool deterministic_ = context_.deterministicCuDNN();
  const at::NoTF32Guard products_;  ///< of matrices
};

}  // namespace siam::tracking::inference
