// What libtorch's allocator holds of a device's memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace siam::engine {

struct DeviceMemory {
  int index = 0;
  int64_t allocated = 0, peak_allocated = 0;  ///< bytes in tensors, now and at most since the last reset
  int64_t reserved = 0, peak_reserved = 0;    ///< bytes taken from the device: tensors, and what is kept for the next ones
  int64_t retries = 0;                        ///< allocations that only succeeded after the kept memory was given back
};

/// Of each CUDA device that tensors were made on. Waits for nothing. Any thread.
std::vector<DeviceMemory> device_memory();

/// Begins new peaks. Any thread.
void reset_peak_device_memory();

/// Gives memory that no tensor is in back to the devices. Engine thread.
void release_kept_device_memory();

}  // namespace siam::engine
