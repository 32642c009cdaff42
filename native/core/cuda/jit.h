// Our CUDA kernels: compiled at run time for the card that is there, kept on disk, launched on libtorch's current stream.
//
// Nothing here allocates device memory or waits, so a captured CUDA graph may hold these launches (after one run without capture, which loads
// the code).
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "driver.h"

namespace siam::core::cuda {

/// THREADS of every kernel file.
constexpr int kThreads = 256;

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// One compiled form of a kernel file.
struct Variant {
  const char* family;   ///< batch_norm, norm_pool, average_pool, xcorr, image, losses
  at::ScalarType dtype = at::kFloat;
  int vector = 1;       ///< elements that a thread moves at once
  int kh = 0, kw = 0;   ///< xcorr: the template's size

  std::string name() const;                  ///< "batch_norm half x8"
  std::vector<std::string> options() const;  ///< of the compiler
  std::string source() const;
};

/// The code of one variant on one device.
class Module {
 public:
  Module(CuModule handle, c10::DeviceIndex device) : handle_(handle), device_(device) {}
  /// Launches `blocks_x` × `blocks_y` blocks. Arguments must have the types of the kernel's parameters, exactly. @throws ERR_DEVICE
  template <class... Arguments>
  void launch(const char* kernel, int64_t blocks_x, int64_t blocks_y, int threads, Arguments... arguments) const {
    void* parameters[] = {&arguments...};
    launch_with(kernel, blocks_x, blocks_y, threads, parameters);
  }

 private:
  void launch_with(const char* kernel, int64_t blocks_x, int64_t blocks_y, int threads, void** parameters) const;
  CuModule handle_;
  c10::DeviceIndex device_;
};

/// Whether our kernels are wanted: SIAMFCPP_CUDA_KERNELS=0 in the environment or set_enabled(false) leave everything to ATen. Any thread.
bool enabled();
void set_enabled(bool enabled);

/// The code of a variant, compiled where the cache has none. Null where kernels are off or cannot be used: then ATen computes, and one warning says
/// why. Any thread.
const Module* module_for(const Variant& variant, const at::Device& device);

/// The same for a variant that module_for() gave before, whether or not kernels are on now: backward goes as forward went.
const Module& loaded_module(const Variant& variant, const at::Device& device);

/// Whether x is a tensor that our kernels take: on a CUDA device, float32, half or bfloat16, not empty, and kernels are on.
bool takes(const at::Tensor& x);
/// The most elements, of 16 bytes at most, that divide C.
int vector_of(int64_t C, at::ScalarType dtype);
/// The same values, in `format`, at an address of whole 16 bytes.
at::Tensor arranged(const at::Tensor& x, at::MemoryFormat format);

/// Why kernels cannot be used, or "" (also before the first use).
std::string failure();

/// Compiles every variant that the networks and tests use (of one family, or of all: "") for a card of this compute capability, without one.
/// @returns their names and bytes
/// @throws ERR_SETUP where NVRTC is not found or one does not compile
struct CompiledVariant {
  std::string name;
  size_t bytes;
};
std::vector<CompiledVariant> compile_all(int capability, const std::string& family);

}  // namespace siam::core::cuda
