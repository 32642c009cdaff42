#include "device_memory.h"

#include <c10/core/CachingDeviceAllocator.h>

#include "cuda_runtime.h"

namespace siam::engine {
namespace {

/// Null as long as no tensor was made on a device.
c10::DeviceAllocator* allocator() {
  if (!cuda_runtime().available) return nullptr;
  c10::DeviceAllocator* found = c10::getDeviceAllocator(c10::DeviceType::CUDA);
  return found->initialized() ? found : nullptr;
}

}  // namespace

std::vector<DeviceMemory> device_memory() {
  std::vector<DeviceMemory> used;
  c10::DeviceAllocator* from = allocator();
  if (from == nullptr) return used;
  constexpr auto kAll = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  for (int index = 0; index < cuda_runtime().device_count; index++) {
    const auto stats = from->getDeviceStats(static_cast<c10::DeviceIndex>(index));
    const auto &allocated = stats.allocated_bytes[kAll], &reserved = stats.reserved_bytes[kAll];
    if (reserved.allocated == 0) continue;
    used.push_back({index, allocated.current, allocated.peak, reserved.current, reserved.peak, stats.num_alloc_retries});
  }
  return used;
}

void reset_peak_device_memory() {
  if (c10::DeviceAllocator* of = allocator()) {
    for (int index = 0; index < cuda_runtime().device_count; index++) of->resetPeakStats(static_cast<c10::DeviceIndex>(index));
  }
}

void release_kept_device_memory() {
  if (c10::DeviceAllocator* of = allocator()) of->emptyCache();
}

}  // namespace siam::engine
