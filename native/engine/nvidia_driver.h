// The NVIDIA driver's own libraries, by name: libcuda.so.1 and libnvidia-ml.so.1. Neither needs a CUDA toolkit, and neither call here makes a
// context on a device, which would take hundreds of MiB of its memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace siam::engine {

struct DriverDevice {
  std::string name, pci_bus;
  int major = 0, minor = 0, multiprocessors = 0;
  uint64_t total_bytes = 0;
};

struct DriverState {
  bool opened = false;       ///< libcuda.so.1 is there
  std::string problem;       ///< why it cannot be used, or empty
  int cuda_version = 0;      ///< the newest CUDA that it knows: 13000 is 13.0
  std::string version;       ///< the driver's own, or empty
};

/// Asked once; never throws. Any thread.
const DriverState& nvidia_driver();

/// The devices that CUDA_VISIBLE_DEVICES leaves, in CUDA's order. Never throws. Any thread.
std::vector<DriverDevice> driver_devices();

/// Bytes free on the device, for all processes together.
std::optional<uint64_t> driver_free_bytes(const std::string& pci_bus);

}  // namespace siam::engine
