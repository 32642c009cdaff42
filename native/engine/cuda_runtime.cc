#include "cuda_runtime.h"

#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>

#include "../base/error.h"
#include "nvidia_driver.h"

namespace siam::engine {
namespace {

/// CUDA 13 wants driver 580, CUDA 12 driver 525; the driver's own number of CUDA says it exactly: a major version runs on all drivers of that major.
std::string version_text(long version) { return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10); }

std::string beside_libtorch_cpu(const char* name) {
  Dl_info where{};
  if (dladdr(reinterpret_cast<void*>(&at::get_num_threads), &where) == 0 || where.dli_fname == nullptr) return name;
  const std::string cpu = where.dli_fname;
  return cpu.substr(0, cpu.rfind('/') + 1) + name;
}

CudaRuntime open() {
  CudaRuntime result;
  const char* wish = std::getenv("SIAMFCPP_CUDA");
  if (wish != nullptr && std::strcmp(wish, "0") == 0) {
    result.reason = "SIAMFCPP_CUDA=0 turns CUDA off";
    return result;
  }
  const DriverState& driver = nvidia_driver();
  result.driver = driver.version;
  result.driver_cuda = driver.cuda_version;
  if (!driver.opened) {
    result.reason = driver.problem;
    return result;
  }
  // By its full path: its RPATH ($ORIGIN/../../nvidia/…) leads to the libraries that pip installed beside it.
  const std::string path = beside_libtorch_cpu("libtorch_cuda.so");
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    const char* error = dlerror();
    result.reason = explain_missing_library(error != nullptr ? error : "unknown error", path);
    return result;
  }
  if (!c10::impl::hasDeviceGuardImpl(c10::DeviceType::CUDA)) {
    result.reason = path + " was opened and brings no CUDA";
    return result;
  }
  const at::CUDAHooksInterface& hooks = at::detail::getCUDAHooks();
  result.runtime_cuda = hooks.versionCUDART();
  if (hooks.hasCuDNN()) result.cudnn = hooks.versionRuntimeCuDNN();
  if (!driver.problem.empty()) {
    result.reason = driver.problem;
  } else if (result.driver_cuda / 1000 < result.runtime_cuda / 1000) {
    result.reason = "the NVIDIA driver" + (driver.version.empty() ? "" : " " + driver.version) + " knows CUDA up to " + version_text(result.driver_cuda) + ", and libtorch needs " +
                    version_text(result.runtime_cuda) + ": update the driver";
  } else {
    result.device_count = c10::impl::getDeviceGuardImpl(c10::DeviceType::CUDA)->deviceCount();
    const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
    if (result.device_count == 0) result.reason = "the NVIDIA driver shows no GPU" + (visible != nullptr ? " (CUDA_VISIBLE_DEVICES=" + std::string(visible) + ")" : std::string());
  }
  result.available = result.device_count > 0;
  return result;
}

}  // namespace

const CudaRuntime& cuda_runtime() {
  static const CudaRuntime runtime = [] {
    try {
      return open();
    } catch (const std::exception& error) {
      CudaRuntime failed;
      failed.reason = std::string("CUDA could not be started: ") + error.what();
      return failed;
    }
  }();
  return runtime;
}

std::vector<CudaDevice> cuda_devices() {
  std::vector<CudaDevice> devices;
  if (!cuda_runtime().available) return devices;
  for (const DriverDevice& found : driver_devices()) {
    devices.push_back({found.name, found.major, found.minor, found.multiprocessors, found.total_bytes, driver_free_bytes(found.pci_bus)});
  }
  // libtorch's own count is what "cuda:N" is held against.
  devices.resize(static_cast<size_t>(cuda_runtime().device_count));
  return devices;
}

void require_device(c10::Device device) {
  if (device.is_cpu()) return;
  const std::string what = "Expected an available device but received '" + device.str() + "': no such device was found here";
  if (!device.is_cuda()) throw SiamException("ERR_DEVICE", what);
  const CudaRuntime& runtime = cuda_runtime();
  if (!runtime.available) throw SiamException("ERR_DEVICE", what + ": " + runtime.reason);
  if (device.index() >= runtime.device_count) throw SiamException("ERR_DEVICE", what + ", only " + std::to_string(runtime.device_count) + ", counted from 0");
}

c10::Device device_named(const std::string& name) {
  const c10::Device device(name);
  return device.is_cuda() && !device.has_index() ? c10::Device(c10::DeviceType::CUDA, 0) : device;
}

void make_current(c10::Device device) {
  if (device.is_cuda()) c10::impl::getDeviceGuardImpl(device.type())->setDevice(device);
}

std::string explain_missing_library(const std::string& error, const std::string& library) {
  const std::string missing = ": cannot open shared object file";
  const size_t end = error.find(missing);
  if (end == std::string::npos) return library + " cannot be opened: " + error;
  const std::string name = error.substr(0, end);
  if (name == library) return "this libtorch has no CUDA: " + library + " is not there; take one that has it, such as pip's torch";
  return "libtorch's CUDA needs " + name + ", which is not installed where " + library + " looks for it: npm run setup completes a libtorch of the cache, pip install torch==2.11.0 one of a Python";
}

}  // namespace siam::engine
