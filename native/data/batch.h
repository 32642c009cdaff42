// Memory of batches: one block each, reused when whoever looks at it has let go.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "sample_maker.h"

namespace siam::data {

/// Sizes of a batch's parts.
struct BatchShape {
  int samples = 0;
  int z_size = 0;
  int x_size = 0;
  int points = 0;  ///< S²
};

/// How blocks are allocated: plain memory, or pinned where a device copies from it.
struct BlockAllocator {
  std::function<void*(size_t)> allocate;
  std::function<void(void*)> release;
};

/// @returns an allocator of 64-byte aligned host memory.
BlockAllocator HostAllocator();

/// One block with all parts of a batch, each 64-byte aligned.
class BatchBlock {
 public:
  BatchBlock(const BatchShape& shape, const BlockAllocator& allocator);
  ~BatchBlock();
  BatchBlock(const BatchBlock&) = delete;
  BatchBlock& operator=(const BatchBlock&) = delete;

  /// The batch's parts; with an index, those of one sample.
  SampleOutput Parts(int sample = 0) const;
  const BatchShape& shape() const { return shape_; }
  size_t bytes() const { return bytes_; }

 private:
  BatchShape shape_;
  std::function<void(void*)> release_;
  size_t bytes_ = 0;
  uint8_t* memory_ = nullptr;
  SampleOutput first_;
};

/// Hands out blocks and takes them back. Lives as long as any block that it handed out, which may be longer than the loader:
/// tensors of the last batch keep theirs. Thread-safe.
class BlockPool : public std::enable_shared_from_this<BlockPool> {
 public:
  /// @param keep  free blocks kept for reuse; more are given back to the system
  BlockPool(const BatchShape& shape, BlockAllocator allocator, size_t keep);

  /// @returns a block whose last owner returns it to the pool
  std::shared_ptr<BatchBlock> Take();

  /// Frees what is kept, and keeps nothing from now on.
  void Close();

 private:
  void GiveBack(BatchBlock* block);

  const BatchShape shape_;
  const BlockAllocator allocator_;
  size_t keep_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<BatchBlock>> free_;
};

}  // namespace siam::data
