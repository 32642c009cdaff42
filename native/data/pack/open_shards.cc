#include "open_shards.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace siam::data {

OpenShard::~OpenShard() {
  if (fd >= 0) close(fd);
}

std::shared_ptr<const OpenShard> OpenShards::FoundLocked(Entry& entry) {
  if (entry.file) order_.splice(order_.begin(), order_, entry.place);
  return entry.file;
}

std::shared_ptr<const OpenShard> OpenShards::Get(uint32_t shard, const std::function<int()>& open) {
  std::shared_ptr<const OpenShard> dropped;  // closed at the end, without the lock
  Entry& entry = entries_[shard];
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (auto found = FoundLocked(entry)) return found;
    // Before one is opened, so that the bound holds meanwhile.
    if (order_.size() >= kMost) {
      dropped = std::move(entries_[order_.back()].file);
      order_.pop_back();
    }
  }
  dropped.reset();
  const auto opened = std::make_shared<const OpenShard>(open());
  // Pictures are drawn from all over: reading ahead would only bring in what nobody asked for.
  posix_fadvise(opened->fd, 0, 0, POSIX_FADV_RANDOM);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (auto found = FoundLocked(entry)) return found;  // another thread was first
  order_.push_front(shard);
  entry = {opened, order_.begin()};
  if (order_.size() > kMost) {  // several threads opened some at once
    dropped = std::move(entries_[order_.back()].file);
    order_.pop_back();
  }
  return opened;
}

}  // namespace siam::data
