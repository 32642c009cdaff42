#include "frame_store.h"

#include <utility>

#include "file.h"

namespace siam::data {

FileStore::FileStore(std::shared_ptr<const PairSampler> sampler) : sampler_(std::move(sampler)) {}

FrameBytes FileStore::Read(const FrameRef& ref, std::vector<uint8_t>& buffer) {
  const size_t size = ReadFile(sampler_->Path(ref), buffer);
  return {buffer.data(), size, nullptr};
}

}  // namespace siam::data
