// CUDA at run time: libtorch_cuda.so is opened where the machine has an NVIDIA driver, so that one binary works with and without a GPU.
//
// Order rule: the library is opened before any other call of libtorch. libtorch asks once, and keeps the answer, whether there is CUDA
// (at::detail::getCUDAHooks, at the first backward or pinned copy) and for how many devices autograd has threads. Opened later, a process that
// had trained on the CPU could never use its GPU. So the engine thread opens it as its first work.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace siam::engine {

struct CudaDevice {
  std::string name;
  int major = 0, minor = 0;  ///< compute capability
  int multiprocessors = 0;
  uint64_t total_bytes = 0;
  std::optional<uint64_t> free_bytes;  ///< as NVML sees it, without a context on the device; none where NVML is not there
};

struct CudaRuntime {
  bool available = false;
  /// Why it is not, and what to do about it; empty when it is.
  std::string reason;
  std::string driver;       ///< such as "580.65.06", or empty
  int driver_cuda = 0;      ///< the newest CUDA that the driver knows: 13000 is 13.0; 0: no driver
  long runtime_cuda = 0;    ///< the CUDA that libtorch was built with; 0: not opened
  long cudnn = 0;           ///< 91900 is 9.19.0; 0: not opened
  int device_count = 0;
};

/// Opens libtorch_cuda.so at the first call. Never throws. Any thread.
const CudaRuntime& cuda_runtime();

/// The devices, in the order that "cuda:N" counts them in. Makes no context on any. Empty where cuda_runtime() is not available. Any thread.
std::vector<CudaDevice> cuda_devices();

/// @throws ERR_DEVICE unless it is the CPU or a CUDA device that is there. Any thread.
void require_device(c10::Device device);

/// A device by its name; "cuda" is the first one whatever the thread's current device is.
/// @throws c10::Error for a name that libtorch does not know
c10::Device device_named(const std::string& name);

/// Makes a CUDA device the current one of this thread: what asks for no particular device then makes no context on another. Engine thread.
void make_current(c10::Device device);

/// What to say of a library that the loader could not open.
/// @param error    dlerror()'s text      @param library  the path that was asked for
std::string explain_missing_library(const std::string& error, const std::string& library);

}  // namespace siam::engine
