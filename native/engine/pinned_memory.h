// Page-locked host memory, from which a device copies by itself.
#pragma once

#include <c10/core/Allocator.h>
#include <c10/core/Device.h>

#include <cstddef>
#include <mutex>
#include <unordered_map>

namespace siam::engine {

/// Memory for the batches of a loader. Page-locked memory takes the device's runtime long to make, so blocks should be kept and used again.
/// Thread-safe. Lives as long as any of its blocks.
class PinnedMemory {
 public:
  /// @param device  whose copies read the memory; plain memory for the CPU     @throws what libtorch says where it has no such device
  explicit PinnedMemory(c10::Device device);

  /// @returns 64-byte aligned memory; plain where no more can be locked, from which copies are slower and right all the same; null where there is none
  void* allocate(size_t bytes);
  void release(void* memory);

 private:
  c10::Allocator* const allocator_;  ///< null: plain memory
  std::mutex mutex_;
  std::unordered_map<void*, c10::DataPtr> locked_;
};

}  // namespace siam::engine
