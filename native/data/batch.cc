#include "batch.h"

#include <cstdlib>
#include <new>
#include <utility>

namespace siam::data {
namespace {

constexpr size_t kAlignment = 64;

size_t Aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

BlockAllocator HostAllocator() {
  return {[](size_t bytes) { return std::aligned_alloc(kAlignment, Aligned(bytes)); }, [](void* memory) { std::free(memory); }};
}

BatchBlock::BatchBlock(const BatchShape& shape, const BlockAllocator& allocator) : shape_(shape), release_(allocator.release) {
  const size_t n = static_cast<size_t>(shape.samples), points = static_cast<size_t>(shape.points);
  size_t at = 0;
  const auto reserve = [&at](size_t bytes) {
    const size_t place = at;
    at += Aligned(bytes);
    return place;
  };
  const size_t im_z = reserve(n * 3 * shape.z_size * shape.z_size);
  const size_t im_x = reserve(n * 3 * shape.x_size * shape.x_size);
  const size_t bbox_z = reserve(n * 4 * sizeof(float));
  const size_t bbox_x = reserve(n * 4 * sizeof(float));
  const size_t cls = reserve(n * points * sizeof(float));
  const size_t ctr = reserve(n * points * sizeof(float));
  const size_t box = reserve(n * points * 4 * sizeof(float));
  const size_t negative = reserve(n * sizeof(int64_t));
  bytes_ = at;
  memory_ = static_cast<uint8_t*>(allocator.allocate(bytes_));
  if (memory_ == nullptr) throw std::bad_alloc();
  const auto floats = [this](size_t place) { return reinterpret_cast<float*>(memory_ + place); };
  first_ = {memory_ + im_z, memory_ + im_x, floats(bbox_z), floats(bbox_x), floats(cls), floats(ctr), floats(box),
            reinterpret_cast<int64_t*>(memory_ + negative)};
}

BatchBlock::~BatchBlock() { release_(memory_); }

SampleOutput BatchBlock::Parts(int sample) const {
  const size_t i = static_cast<size_t>(sample), points = static_cast<size_t>(shape_.points);
  SampleOutput out = first_;
  out.im_z += i * 3 * shape_.z_size * shape_.z_size;
  out.im_x += i * 3 * shape_.x_size * shape_.x_size;
  out.bbox_z += i * 4;
  out.bbox_x += i * 4;
  out.cls += i * points;
  out.ctr += i * points;
  out.box += i * points * 4;
  out.negative += i;
  return out;
}

BlockPool::BlockPool(const BatchShape& shape, BlockAllocator allocator, size_t keep)
    : shape_(shape), allocator_(std::move(allocator)), keep_(keep) {}

std::shared_ptr<BatchBlock> BlockPool::Take() {
  std::unique_ptr<BatchBlock> block;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!free_.empty()) {
      block = std::move(free_.back());
      free_.pop_back();
    }
  }
  if (!block) block = std::make_unique<BatchBlock>(shape_, allocator_);
  return std::shared_ptr<BatchBlock>(block.release(), [pool = shared_from_this()](BatchBlock* done) { pool->GiveBack(done); });
}

void BlockPool::Close() {
  std::lock_guard<std::mutex> lock(mutex_);
  keep_ = 0;
  free_.clear();
}

void BlockPool::GiveBack(BatchBlock* block) {
  std::unique_ptr<BatchBlock> owned(block);
  std::lock_guard<std::mutex> lock(mutex_);
  if (free_.size() < keep_) free_.push_back(std::move(owned));
}

}  // namespace siam::data
