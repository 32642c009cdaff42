#include "nvidia_driver.h"

#include <dlfcn.h>

#include <array>

namespace siam::engine {
namespace {

// Of cuda.h: CUresult, CUdevice and CUdevice_attribute are int; the names with _v2 are what the header's macros make of the plain ones.
constexpr int kCapabilityMajor = 75, kCapabilityMinor = 76, kMultiprocessors = 16;

struct Driver {
  void* library = nullptr;
  int (*init)(unsigned) = nullptr;
  int (*version)(int*) = nullptr;
  int (*count)(int*) = nullptr;
  int (*get)(int*, int) = nullptr;
  int (*name)(char*, int, int) = nullptr;
  int (*total)(size_t*, int) = nullptr;
  int (*attribute)(int*, int, int) = nullptr;
  int (*pci_bus)(char*, int, int) = nullptr;
  int (*error_text)(int, const char**) = nullptr;
};

struct Nvml {
  struct Memory {
    unsigned long long total, free, used;
  };
  bool ready = false;
  int (*driver_version)(char*, unsigned) = nullptr;
  int (*by_bus)(const char*, void**) = nullptr;
  int (*memory)(void*, Memory*) = nullptr;
};

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

const Driver& driver() {
  static const Driver found = [] {
    Driver d;
    void* library = dlopen("libcuda.so.1", RTLD_NOW);
    if (library == nullptr) return d;
    const bool complete = find(library, "cuInit", d.init) && find(library, "cuDriverGetVersion", d.version) && find(library, "cuDeviceGetCount", d.count) &&
                          find(library, "cuDeviceGet", d.get) && find(library, "cuDeviceGetName", d.name) && find(library, "cuDeviceTotalMem_v2", d.total) &&
                          find(library, "cuDeviceGetAttribute", d.attribute) && find(library, "cuDeviceGetPCIBusId", d.pci_bus) &&
                          find(library, "cuGetErrorString", d.error_text);
    if (complete) d.library = library;
    return d;
  }();
  return found;
}

/// Initialised and never shut down: it is the process's own count of users, and others (NCCL) may be among them.
const Nvml& nvml() {
  static const Nvml found = [] {
    Nvml n;
    void* library = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    int (*init)() = nullptr;
    if (library == nullptr || !find(library, "nvmlInit_v2", init) || init() != 0) return n;
    n.ready = find(library, "nvmlSystemGetDriverVersion", n.driver_version) && find(library, "nvmlDeviceGetHandleByPciBusId_v2", n.by_bus) &&
              find(library, "nvmlDeviceGetMemoryInfo", n.memory);
    return n;
  }();
  return found;
}

}  // namespace

const DriverState& nvidia_driver() {
  static const DriverState state = [] {
    DriverState result;
    const Driver& d = driver();
    result.opened = d.library != nullptr;
    if (!result.opened) {
      result.problem = "there is no NVIDIA driver (libcuda.so.1)";
      return result;
    }
    if (const int code = d.init(0); code != 0) {
      const char* text = nullptr;
      d.error_text(code, &text);
      result.problem = "the NVIDIA driver found no usable GPU: cuInit says " + std::string(text != nullptr ? text : "error") + " (" + std::to_string(code) + ")";
    }
    d.version(&result.cuda_version);
    std::array<char, 96> version{};
    if (nvml().ready && nvml().driver_version(version.data(), version.size()) == 0) result.version = version.data();
    return result;
  }();
  return state;
}

std::vector<DriverDevice> driver_devices() {
  std::vector<DriverDevice> devices;
  if (!nvidia_driver().problem.empty()) return devices;
  const Driver& d = driver();
  int count = 0;
  if (d.count(&count) != 0) return devices;
  for (int i = 0; i < count; i++) {
    DriverDevice& device = devices.emplace_back();
    int handle = 0;
    if (d.get(&handle, i) != 0) continue;
    std::array<char, 256> text{};
    if (d.name(text.data(), text.size(), handle) == 0) device.name = text.data();
    if (d.pci_bus(text.data(), text.size(), handle) == 0) device.pci_bus = text.data();
    size_t total = 0;
    if (d.total(&total, handle) == 0) device.total_bytes = total;
    d.attribute(&device.major, kCapabilityMajor, handle);
    d.attribute(&device.minor, kCapabilityMinor, handle);
    d.attribute(&device.multiprocessors, kMultiprocessors, handle);
  }
  return devices;
}

std::optional<uint64_t> driver_free_bytes(const std::string& pci_bus) {
  const Nvml& n = nvml();
  void* handle = nullptr;
  Nvml::Memory memory{};
  if (!n.ready || pci_bus.empty() || n.by_bus(pci_bus.c_str(), &handle) != 0 || n.memory(handle, &memory) != 0) return std::nullopt;
  return memory.free;
}

}  // namespace siam::engine
