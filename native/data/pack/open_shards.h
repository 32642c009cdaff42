// The shards of a pack that are open: those that were read last, and no more than a bound.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

namespace siam::data {

/// An open file, closed with its last owner.
struct OpenShard {
  explicit OpenShard(int opened) : fd(opened) {}
  ~OpenShard();
  OpenShard(const OpenShard&) = delete;
  OpenShard& operator=(const OpenShard&) = delete;

  const int fd;
};

/// Thread-safe. A large pack has more shards than a process may open files, and other parts of the process need some as well.
class OpenShards {
 public:
  /// Of 256 MB each these are 16 GB of pictures; opening one again takes microseconds. And few beside the 1024 files that a process may open by default.
  static constexpr size_t kMost = 64;

  explicit OpenShards(size_t shards) : entries_(shards) {}

  /// The shard's descriptor. Where it is not open, `open` is called for it, without the lock, and the shard that was not used for
  /// the longest time is let go of: it is closed once no thread reads from it any more, so that a read never meets a number that is
  /// closed, or another file's by now.
  std::shared_ptr<const OpenShard> Get(uint32_t shard, const std::function<int()>& open);

 private:
  struct Entry {
    std::shared_ptr<const OpenShard> file;
    std::list<uint32_t>::iterator place;  // in order_, where it is open
  };
  std::shared_ptr<const OpenShard> FoundLocked(Entry& entry);

  std::mutex mutex_;
  std::vector<Entry> entries_;
  std::list<uint32_t> order_;  // the open ones, the one used last in front
};

}  // namespace siam::data
