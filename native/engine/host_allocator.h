// libtorch's allocator for big tensors on the CPU: a training step allocates and frees the same hundreds of megabytes each iteration.
//
// Why our own: on a thread other than the main one glibc's malloc maps blocks over 32 MB anew each time, so that the kernel clears and maps
// their pages in small pieces at first touch (measured: 6 % of AlexNet's bfloat16 step), and no allocation gets huge pages, so that the
// convolutions miss the TLB (another 4 %).
#pragma once

#include <c10/core/Allocator.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>

namespace siam::engine {

/// Best fit with coalescing over segments mapped from the system, with huge pages where the system offers them.
/// What is freed stays for the next allocation; when nothing is in use any more, all of it goes back to the system.
/// Blocks below kBigBytes are malloc's. Thread-safe.
class HostAllocator final : public c10::Allocator {
 public:
  static constexpr size_t kBigBytes = size_t{1} << 20;

  /// Makes this the allocator of all of the process's CPU tensors, once. Tensors made before stay with the allocator that made them.
  static void install();

  /// Bytes that the process's CPU tensors hold now, and the most since reset_peak(). Any thread.
  static int64_t live_bytes() { return instance().live_.load(std::memory_order_relaxed); }
  static int64_t peak_bytes() { return instance().peak_.load(std::memory_order_relaxed); }
  /// Bytes of the segments: what tensors of kBigBytes and more use, and what is kept for the next ones.
  static int64_t mapped_bytes() { return instance().mapped_.load(std::memory_order_relaxed); }
  static void reset_peak() { instance().peak_.store(live_bytes(), std::memory_order_relaxed); }

  /// @throws c10::Error ("can't allocate memory") when the system has no more
  c10::DataPtr allocate(size_t bytes) override;
  c10::DeleterFnPtr raw_deleter() const override;
  void copy_data(void* to, const void* from, size_t bytes) const override;

 private:
  HostAllocator() = default;
  static HostAllocator& instance();
  static void release(void* block);

  void* take(size_t bytes);
  /// @returns the block's size, 0 when `block` is none of ours
  size_t give_back(void* block);
  void count(int64_t bytes);
  bool map_segment(size_t bytes);
  void unmap_all();
  void insert_free(char* begin, size_t bytes);
  void erase_free(std::map<char*, size_t>::iterator extent);

  std::atomic<int64_t> live_{0};
  std::atomic<int64_t> peak_{0};
  std::atomic<int64_t> mapped_{0};
  std::mutex mutex_;
  std::map<char*, size_t> free_;                   // by address, for coalescing
  std::set<std::pair<size_t, char*>> free_sizes_;  // the same extents by size, for the best fit
  std::unordered_map<void*, size_t> used_;
};

}  // namespace siam::engine
