#include "pinned_memory.h"

#include <ATen/Context.h>
#include <c10/util/Exception.h>

#include <cstdlib>
#include <utility>

#include "cuda_runtime.h"

namespace siam::engine {
namespace {

constexpr size_t kAlignment = 64;

c10::Allocator* allocator_of(c10::Device device) {
  if (device.is_cpu()) return nullptr;
  if (device.is_cuda()) cuda_runtime();  // a loader may be the first to ask libtorch for CUDA
  return at::globalContext().getPinnedMemoryAllocator(device.type());
}

}  // namespace

PinnedMemory::PinnedMemory(c10::Device device) : allocator_(allocator_of(device)) {}

void* PinnedMemory::allocate(size_t bytes) {
  if (allocator_ != nullptr) {
    try {
      c10::DataPtr block = allocator_->allocate(bytes);
      void* memory = block.get();
      const std::lock_guard<std::mutex> lock(mutex_);
      locked_.emplace(memory, std::move(block));
      return memory;
    } catch (const c10::Error&) {
      // The system limits how much may be locked.
    }
  }
  return std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
}

void PinnedMemory::release(void* memory) {
  c10::DataPtr block;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = locked_.find(memory);
    if (found != locked_.end()) {
      block = std::move(found->second);
      locked_.erase(found);
    }
  }
  if (!block) std::free(memory);
}

}  // namespace siam::engine
