// Where the compressed bytes of frames come from: files now, and what is put before them (a cache, a read-ahead, packs).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "sampler.h"

namespace siam::data {

/// Compressed bytes of one frame.
struct FrameBytes {
  const uint8_t* data = nullptr;
  size_t size = 0;
  std::shared_ptr<const void> owner;  ///< keeps `data` alive; empty where that is the reader's own buffer, or the store's for all its life
};

/// Thread-safe: all threads of a loader share one.
class FrameStore {
 public:
  virtual ~FrameStore() = default;

  /// @param buffer  the calling thread's memory, grown as needed; the result may point into it
  /// @throws ERR_IO when the frame cannot be read, ERR_DATA when what is stored for it is damaged
  virtual FrameBytes Read(const FrameRef& ref, std::vector<uint8_t>& buffer) = 0;

  /// The frame whose bytes these are, where several share them; a cache keeps them once.
  virtual FrameRef Shared(const FrameRef& ref) const { return ref; }
};

/// Reads each frame's file, or its picture where the data set is a pack.
class FileStore : public FrameStore {
 public:
  explicit FileStore(std::shared_ptr<const PairSampler> sampler);
  FrameBytes Read(const FrameRef& ref, std::vector<uint8_t>& buffer) override;
  /// All objects of a still picture are on its one file.
  FrameRef Shared(const FrameRef& ref) const override;

 private:
  const std::shared_ptr<const PairSampler> sampler_;
};

/// Waits before every read: a slow disk for tests and benches. The wait cannot be interrupted, as a read of the kernel cannot.
class DelayedStore : public FrameStore {
 public:
  DelayedStore(std::shared_ptr<FrameStore> store, std::chrono::nanoseconds delay);
  FrameBytes Read(const FrameRef& ref, std::vector<uint8_t>& buffer) override;
  FrameRef Shared(const FrameRef& ref) const override { return store_->Shared(ref); }

 private:
  const std::shared_ptr<FrameStore> store_;
  const std::chrono::nanoseconds delay_;
};

}  // namespace siam::data
