// From libtorch's tensors to our CPU kernels: which dtypes and layouts they take.
#pragma once

#include <ATen/ATen.h>

#include <string>

#include "kernels/simd.h"

namespace siam::core {

inline bool has_cpu_kernel(const at::Tensor& x) { return x.device().is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16); }

/// channels_last and not contiguous at once (a tensor of one channel or one pixel is both, and then counts as planar).
inline bool is_interleaved(const at::Tensor& x) { return x.dim() == 4 && !x.is_contiguous() && x.is_contiguous(at::MemoryFormat::ChannelsLast); }

template <class T>
T* data(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.data_ptr());
}

/// Calls body with a value of the kernels' element type of x.
template <class Body>
void dispatch_cpu(const at::Tensor& x, Body body) {
  if (x.scalar_type() == at::kFloat) {
    body(float{});
  } else {
    body(kernels::Bf16{});
  }
}

inline std::string describe(const at::Tensor& tensor) {
  std::string text = std::string(c10::toString(tensor.scalar_type())) + "[";
  for (int64_t i = 0; i < tensor.dim(); i++) text += (i > 0 ? "," : "") + std::to_string(tensor.size(i));
  return text + "] on " + tensor.device().str();
}

}  // namespace siam::core
