// Where the compressed bytes of frames come from: files now, and what is put before them (a cache, a read-ahead, packs).
#pragma once

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
  std::shared_ptr<const void> owner;  ///< keeps `data` alive; empty where that is the reader's own buffer
};

/// Thread-safe: all threads of a loader share one.
class FrameStore {
 public:
  virtual ~FrameStore() = default;

  /// @param buffer  the calling thread's memory, grown as needed; the result may point into it
  /// @throws ERR_IO when the frame cannot be read, ERR_DATA when what is stored for it is damaged
  virtual FrameBytes Read(const FrameRef& ref, std::vector<uint8_t>& buffer) = 0;
};

/// Reads each frame's file, or its picture where the data set is a pack.
class FileStore : public FrameStore {
 public:
  explicit FileStore(std::shared_ptr<const PairSampler> sampler);
  FrameBytes Read(const FrameRef& ref, std::vector<uint8_t>& buffer) override;

 private:
  const std::shared_ptr<const PairSampler> sampler_;
};

}  // namespace siam::data
