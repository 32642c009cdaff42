#include "driver.h"

#include <dlfcn.h>

namespace siam::core::cuda {

namespace {

struct Opened {
  Driver driver{};
  std::string why;
};

template <class Function>
bool find(void* library, const char* name, Function& function, std::string& why) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr && why.empty()) why = std::string("libcuda.so.1 has no ") + name;
  return function != nullptr;
}

Opened open() {
  Opened opened;
  void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* error = dlerror();
    opened.why = std::string("libcuda.so.1 cannot be opened: ") + (error != nullptr ? error : "unknown");
    return opened;
  }
  Driver& d = opened.driver;
  find(library, "cuInit", d.init, opened.why);
  find(library, "cuDeviceGet", d.device_get, opened.why);
  find(library, "cuDeviceGetAttribute", d.device_attribute, opened.why);
  find(library, "cuDevicePrimaryCtxRetain", d.primary_context_retain, opened.why);
  find(library, "cuCtxGetCurrent", d.context_get, opened.why);
  find(library, "cuCtxPushCurrent_v2", d.context_push, opened.why);
  find(library, "cuCtxPopCurrent_v2", d.context_pop, opened.why);
  find(library, "cuModuleLoadData", d.module_load, opened.why);
  find(library, "cuModuleGetFunction", d.module_function, opened.why);
  find(library, "cuLaunchKernel", d.launch, opened.why);
  find(library, "cuGetErrorName", d.error_name, opened.why);
  if (!opened.why.empty()) return opened;
  const CuResult result = d.init(0);
  if (result != 0) opened.why = "cuInit failed: " + d.describe(result);
  return opened;
}

}  // namespace

std::string Driver::describe(CuResult error) const {
  const char* name = nullptr;
  return error_name(error, &name) == 0 && name != nullptr ? name : "error " + std::to_string(error);
}

const Driver* driver(std::string& why) {
  static const Opened opened = open();
  why = opened.why;
  return opened.why.empty() ? &opened.driver : nullptr;
}

}  // namespace siam::core::cuda
