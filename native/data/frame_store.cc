#include "frame_store.h"

#include <string>
#include <thread>
#include <utility>

#include "file.h"

namespace siam::data {

FileStore::FileStore(std::shared_ptr<const PairSampler> sampler) : sampler_(std::move(sampler)) {}

FrameBytes FileStore::Read(const FrameRef& ref, std::vector<uint8_t>& buffer) {
  const DatasetIndex& dataset = sampler_->dataset(ref);
  if (const PackFile* pack = dataset.pack()) {
    const std::string member = sampler_->Path(ref);
    const size_t bytes = pack->Read(pack->Row(dataset.Row(ref.sequence, ref.frame), member), member, buffer);
    return {buffer.data(), bytes, nullptr};
  }
  const size_t size = ReadFile(sampler_->Path(ref), buffer);
  return {buffer.data(), size, nullptr};
}

FrameRef FileStore::Shared(const FrameRef& ref) const {
  const DatasetIndex& dataset = sampler_->dataset(ref);
  // A pack has a picture for each object.
  return dataset.still() && dataset.pack() == nullptr ? FrameRef{ref.dataset, ref.sequence, 0} : ref;
}

DelayedStore::DelayedStore(std::shared_ptr<FrameStore> store, std::chrono::nanoseconds delay) : store_(std::move(store)), delay_(delay) {}

FrameBytes DelayedStore::Read(const FrameRef& ref, std::vector<uint8_t>& buffer) {
  std::this_thread::sleep_for(delay_);
  return store_->Read(ref, buffer);
}

}  // namespace siam::data
