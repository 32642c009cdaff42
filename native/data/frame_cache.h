// Compressed frames that stay in memory, so that later epochs do not read them again.
//
// First come stays: frames are kept until the bound is reached, and none is ever put out again. Samples draw their frames at random and
// independently, so every frame is as likely as any other to be wanted next; putting one out for another would change nothing but cost a
// copy. The share of the frames that is kept is the hit rate, as it would be with any other rule.
//
// As nothing is ever put out, a table with one pointer for each frame of the data sets needs no lock and no hashing, and the bytes lie one
// after the other in big blocks: no allocator's overhead, and the system has all of it back at once.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "frame_store.h"

namespace siam::data {

struct CacheStats {
  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t frames = 0;  ///< kept now
  uint64_t bytes = 0;   ///< of memory that they take now, table included
  uint64_t limit = 0;   ///< bound on that, 0: no cache
};

/// Memory of pages of their own, given back to the system when it goes.
class PageBlock {
 public:
  PageBlock() = default;
  /// Zeros. Empty when the system has no such memory.
  /// @param huge  ask for huge pages: for what is filled from end to end
  PageBlock(size_t bytes, bool huge);
  ~PageBlock();
  PageBlock(PageBlock&& other) noexcept;
  PageBlock& operator=(PageBlock&& other) noexcept;

  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

/// Thread-safe. Outlives the loaders that it serves one after the other.
class FrameCache {
 public:
  /// What tells one list of data sets from another: name and number of frames of each.
  using Shape = std::vector<std::pair<std::string, uint64_t>>;

  /// @param limit  bytes of memory that it may take
  explicit FrameCache(uint64_t limit);

  /// Makes it the cache of these data sets. @throws ERR_ARGUMENT when it is already that of others
  void Bind(const Shape& shape);

  /// @param row  number of the frame, counted over all data sets
  /// @returns the frame's bytes, which stay as long as the cache; size 0 where it is not kept. Lock-free
  FrameBytes Find(uint64_t row) const;

  /// Keeps a copy where there is room, and where no other thread was first.
  void Keep(uint64_t row, const FrameBytes& bytes);

  /// frames, bytes and limit; hits and misses are counted by each loader's store.
  CacheStats Stats() const;

 private:
  /// What the table points to: the size, and behind it the bytes.
  struct alignas(64) Entry {
    uint64_t size;
    const uint8_t* bytes() const { return reinterpret_cast<const uint8_t*>(&size + 1); }
    uint8_t* bytes() { return reinterpret_cast<uint8_t*>(&size + 1); }
  };
  using Place = std::atomic<Entry*>;
  static inline Entry being_copied_{0};

  Place& PlaceOf(uint64_t row) const { return reinterpret_cast<Place*>(table_.data())[row]; }
  Entry* AllocateLocked(size_t needed);
  uint64_t TableBytesLocked(uint64_t frames) const;
  uint64_t LeftLocked(uint64_t more_frames) const;

  const uint64_t limit_;
  Shape shape_;
  PageBlock table_;
  std::atomic<size_t> room_;  ///< for one more frame, at most: spares those that find the cache full the lock
  mutable std::mutex mutex_;  ///< guards what follows; taken where a frame was read anew, never for one that is kept
  std::vector<PageBlock> blocks_;
  uint8_t* free_ = nullptr;   ///< in the last block for small frames
  size_t free_bytes_ = 0;
  uint64_t block_bytes_ = 0;
  uint64_t frames_ = 0;
};

/// A store with a cache before it.
class CachedStore : public FrameStore {
 public:
  /// @throws as FrameCache::Bind
  CachedStore(std::shared_ptr<FrameStore> store, std::shared_ptr<FrameCache> cache, std::shared_ptr<const PairSampler> sampler);
  FrameBytes Read(const FrameRef& ref, std::vector<uint8_t>& buffer) override;
  FrameRef Shared(const FrameRef& ref) const override { return store_->Shared(ref); }

  /// The cache's, with hits and misses of this store.
  CacheStats Stats() const;

 private:
  const std::shared_ptr<FrameStore> store_;
  const std::shared_ptr<FrameCache> cache_;
  const std::shared_ptr<const PairSampler> sampler_;
  std::vector<uint64_t> first_row_;  ///< of each data set
  std::atomic<uint64_t> hits_{0}, misses_{0};
};

}  // namespace siam::data
