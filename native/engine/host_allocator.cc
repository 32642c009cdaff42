#include "host_allocator.h"

#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <c10/util/Exception.h>
#include <malloc.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace siam::engine {

namespace {

constexpr size_t kPage = 4096;
constexpr size_t kHugePage = size_t{2} << 20;
/// Segments of a model's size rather than a tensor's, so that their remainders are few.
constexpr size_t kSegmentBytes = size_t{128} << 20;

size_t round_up(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

}  // namespace

void HostAllocator::install() {
  static std::once_flag once;
  std::call_once(once, [] { c10::SetCPUAllocator(&instance(), /*priority=*/100); });
}

HostAllocator& HostAllocator::instance() {
  static auto* allocator = new HostAllocator;  // never destroyed: tensors may be freed while the process exits
  return *allocator;
}

c10::DataPtr HostAllocator::allocate(size_t bytes) {
  const bool big = bytes >= kBigBytes;
  void* block = big ? take(round_up(bytes, kPage)) : c10::alloc_cpu(bytes);
  // Of a small block only malloc knows the size when it is freed, so its own number counts at both ends.
  count(static_cast<int64_t>(big ? round_up(bytes, kPage) : malloc_usable_size(block)));
  c10::profiledCPUMemoryReporter().New(block, bytes);  // as the allocator that this one replaces: who counts memory listens there
  return {block, block, &HostAllocator::release, c10::Device(c10::DeviceType::CPU)};
}

c10::DeleterFnPtr HostAllocator::raw_deleter() const { return &HostAllocator::release; }

void HostAllocator::copy_data(void* to, const void* from, size_t bytes) const { default_copy_data(to, from, bytes); }

void HostAllocator::release(void* block) {
  // Ours are page-aligned, which malloc's blocks seldom are: nearly all of those need no look-up.
  if (block == nullptr) return;
  c10::profiledCPUMemoryReporter().Delete(block);
  const size_t big = reinterpret_cast<uintptr_t>(block) % kPage == 0 ? instance().give_back(block) : 0;
  instance().count(-static_cast<int64_t>(big > 0 ? big : malloc_usable_size(block)));
  if (big == 0) c10::free_cpu(block);
}

void HostAllocator::count(int64_t bytes) {
  const int64_t now = live_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  int64_t peak = peak_.load(std::memory_order_relaxed);
  while (now > peak && !peak_.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
  }
}

void* HostAllocator::take(size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto fit = free_sizes_.lower_bound({bytes, nullptr});
  if (fit == free_sizes_.end()) {
    if (!map_segment(std::max(kSegmentBytes, bytes)) && !map_segment(bytes)) {
      TORCH_CHECK_WITH(OutOfMemoryError, false, "can't allocate memory: you tried to allocate ", bytes, " bytes on the host");
    }
    fit = free_sizes_.lower_bound({bytes, nullptr});
  }
  const auto [size, begin] = *fit;
  erase_free(free_.find(begin));
  if (size > bytes) insert_free(begin + bytes, size - bytes);
  used_.emplace(begin, bytes);
  return begin;
}

size_t HostAllocator::give_back(void* block) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto used = used_.find(block);
  if (used == used_.end()) return 0;
  char* begin = static_cast<char*>(block);
  const size_t size = used->second;
  size_t bytes = size;
  used_.erase(used);
  auto next = free_.lower_bound(begin);
  if (next != free_.end() && begin + bytes == next->first) {
    bytes += next->second;
    erase_free(next);
  }
  auto before = free_.lower_bound(begin);
  if (before != free_.begin()) {
    --before;
    if (before->first + before->second == begin) {
      begin = before->first;
      bytes += before->second;
      erase_free(before);
    }
  }
  insert_free(begin, bytes);
  if (used_.empty()) unmap_all();
  return size;
}

bool HostAllocator::map_segment(size_t bytes) {
  bytes = round_up(bytes, kHugePage);
  // One huge page more, to cut the segment at a huge page's border.
  void* mapped = mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return false;
  char* start = static_cast<char*>(mapped);
  char* begin = reinterpret_cast<char*>(round_up(reinterpret_cast<uintptr_t>(start), kHugePage));
  if (begin > start) munmap(start, static_cast<size_t>(begin - start));
  const size_t tail = static_cast<size_t>(start + kHugePage - begin);
  if (tail > 0) munmap(begin + bytes, tail);
  madvise(begin, bytes, MADV_HUGEPAGE);  // a hint: where the system refuses, small pages do
  insert_free(begin, bytes);
  mapped_.fetch_add(static_cast<int64_t>(bytes), std::memory_order_relaxed);
  return true;
}

void HostAllocator::unmap_all() {
  for (const auto& [begin, bytes] : free_) munmap(begin, bytes);
  free_.clear();
  mapped_.store(0, std::memory_order_relaxed);
  free_sizes_.clear();
}

void HostAllocator::insert_free(char* begin, size_t bytes) {
  free_.emplace(begin, bytes);
  free_sizes_.emplace(bytes, begin);
}

void HostAllocator::erase_free(std::map<char*, size_t>::iterator extent) {
  free_sizes_.erase({extent->second, extent->first});
  free_.erase(extent);
}

}  // namespace siam::engine
