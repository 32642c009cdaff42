#include "frame_cache.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "../base/error.h"

namespace siam::data {
namespace {

constexpr size_t kBlock = size_t{8} << 20;
/// Frames of at least this size have a block of their own: the unused end of a common block is then at most an eighth of it.
constexpr size_t kLarge = size_t{1} << 20;

size_t PageSize() {
  static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

size_t RoundedUp(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace

PageBlock::PageBlock(size_t bytes, bool huge) {
  if (bytes == 0) return;
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return;
  data_ = static_cast<uint8_t*>(memory);
  size_ = bytes;
#ifdef MADV_HUGEPAGE
  // Advice, so a refusal is none of our business. A table that is touched here and there must not become resident in units of 2 MB.
  madvise(memory, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#else
  (void)huge;
#endif
}

PageBlock::~PageBlock() {
  if (data_ != nullptr) munmap(data_, size_);
}

PageBlock::PageBlock(PageBlock&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

PageBlock& PageBlock::operator=(PageBlock&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

FrameCache::FrameCache(uint64_t limit) : limit_(limit), room_(static_cast<size_t>(limit)) {}

void FrameCache::Bind(const Shape& shape) {
  static_assert(Place::is_always_lock_free && sizeof(Place) == sizeof(void*), "zero bytes are null pointers");
  const std::lock_guard<std::mutex> lock(mutex_);
  if (table_.data() != nullptr) {
    if (shape != shape_) throw SiamException("ERR_ARGUMENT", "Expected the data sets that the cache keeps frames of but received others");
    return;
  }
  uint64_t rows = 0;
  for (const auto& dataset : shape) rows += dataset.second;
  PageBlock table(RoundedUp(rows * sizeof(Place), PageSize()), false);
  if (table.data() == nullptr) throw std::bad_alloc();
  table_ = std::move(table);
  shape_ = shape;
}

FrameBytes FrameCache::Find(uint64_t row) const {
  const Entry* entry = PlaceOf(row).load(std::memory_order_acquire);
  if (entry == nullptr || entry == &being_copied_) return {};
  return {entry->bytes(), static_cast<size_t>(entry->size), nullptr};
}

void FrameCache::Keep(uint64_t row, const FrameBytes& frame) {
  const size_t needed = RoundedUp(sizeof(uint64_t) + frame.size, alignof(Entry));
  if (frame.size == 0 || needed > room_.load(std::memory_order_relaxed)) return;
  Place& place = PlaceOf(row);
  Entry* entry = nullptr;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (place.load(std::memory_order_relaxed) != nullptr) return;
    entry = AllocateLocked(needed);
    room_.store(static_cast<size_t>(std::max<uint64_t>(free_bytes_, LeftLocked(1))), std::memory_order_relaxed);
    if (entry == nullptr) return;
    ++frames_;
    place.store(&being_copied_, std::memory_order_relaxed);
  }
  entry->size = frame.size;
  std::memcpy(entry->bytes(), frame.data, frame.size);
  place.store(entry, std::memory_order_release);
}

FrameCache::Entry* FrameCache::AllocateLocked(size_t needed) {
  const bool large = needed >= kLarge;
  if (large || needed > free_bytes_) {
    // A block's frames will touch pages of the table too.
    const uint64_t left = LeftLocked(large ? 1 : kBlock / needed);
    // The last block is what is left of the bound.
    const size_t wanted = large ? RoundedUp(needed, PageSize()) : static_cast<size_t>(std::min<uint64_t>(kBlock, left));
    if (wanted < needed || wanted > left) return nullptr;
    PageBlock block(wanted, wanted == kBlock);
    if (block.data() == nullptr) return nullptr;
    block_bytes_ += wanted;
    blocks_.push_back(std::move(block));
    if (large) return reinterpret_cast<Entry*>(blocks_.back().data());
    free_ = blocks_.back().data();
    free_bytes_ = wanted;
  }
  auto* entry = reinterpret_cast<Entry*>(free_);
  free_ += needed;
  free_bytes_ -= needed;
  return entry;
}

uint64_t FrameCache::TableBytesLocked(uint64_t frames) const {
  // Frames come in random order, so each of the first ones touches another page of the table.
  return std::min<uint64_t>(table_.size(), frames * PageSize());
}

uint64_t FrameCache::LeftLocked(uint64_t more_frames) const {
  const uint64_t taken = block_bytes_ + TableBytesLocked(frames_ + more_frames);
  return limit_ > taken ? (limit_ - taken) / PageSize() * PageSize() : 0;
}

CacheStats FrameCache::Stats() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  CacheStats stats;
  stats.frames = frames_;
  stats.bytes = block_bytes_ + TableBytesLocked(frames_);
  stats.limit = limit_;
  return stats;
}

CachedStore::CachedStore(std::shared_ptr<FrameStore> store, std::shared_ptr<FrameCache> cache, std::shared_ptr<const PairSampler> sampler)
    : store_(std::move(store)), cache_(std::move(cache)), sampler_(std::move(sampler)) {
  FrameCache::Shape shape;
  uint64_t row = 0;
  for (const auto& dataset : sampler_->datasets()) {
    first_row_.push_back(row);
    row += dataset->rows();
    // A pack's pictures are not the frames' bytes.
    shape.emplace_back(dataset->name() + (dataset->pack() != nullptr ? ", packed" : ""), dataset->rows());
  }
  cache_->Bind(shape);
}

FrameBytes CachedStore::Read(const FrameRef& ref, std::vector<uint8_t>& buffer) {
  const FrameRef shared = store_->Shared(ref);
  const uint64_t row = first_row_[shared.dataset] + sampler_->dataset(shared).Row(shared.sequence, shared.frame);
  const FrameBytes kept = cache_->Find(row);
  if (kept.size > 0) {
    hits_.fetch_add(1, std::memory_order_relaxed);
    return kept;
  }
  misses_.fetch_add(1, std::memory_order_relaxed);
  FrameBytes bytes = store_->Read(ref, buffer);
  cache_->Keep(row, bytes);
  return bytes;
}

CacheStats CachedStore::Stats() const {
  CacheStats stats = cache_->Stats();
  stats.hits = hits_.load(std::memory_order_relaxed);
  stats.misses = misses_.load(std::memory_order_relaxed);
  return stats;
}

}  // namespace siam::data
