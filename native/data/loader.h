// Batches of training pairs, made ahead by threads of our own.
//
// Lifetime and ordering rules, each with the bug that it prevents:
// 1. A sample is a pure function of (seed, epoch, sample, attempt); threads take samples in order and write each into its own part of
//    the batch's block. So content and order never depend on the number of threads.
// 2. A batch is begun only while fewer than queue_batches batches are begun and not delivered: without this bound a slow consumer would
//    fill the memory.
// 3. Blocks return to the pool when the last owner lets go, not when the next batch is asked for: a tensor of an older batch may still
//    be read by the device or by autograd.
// 4. Callbacks run without the loader's lock and must not destroy the loader: a worker cannot join itself.
// 5. Errors are delivered at the place of the batch that failed, after all batches before it; then every later request gets them too.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "batch.h"
#include "../base/error.h"
#include "frame_cache.h"
#include "read_ahead.h"

namespace siam::data {

struct LoaderConfig {
  SampleConfig sample;
  int batch_size = 1;
  int threads = 1;
  int queue_batches = 2;
  uint32_t samples_per_epoch = 1;  ///< of all ranks together; the index goes on into the next epoch, also within a batch
  uint32_t start_epoch = 0;
  uint32_t start_sample = 0;
  int rank = 0;                    ///< batches are dealt out to the ranks in turn, so that no sample goes to two of them
  int world_size = 1;
  bool strict = false;
  ReadAheadConfig read_ahead;
  std::shared_ptr<FrameCache> cache;  ///< may be null; serves other loaders of the same data sets after this one
  std::chrono::nanoseconds read_delay{0};  ///< before each read: a slow disk, for tests and benches
  BlockAllocator allocator;        ///< HostAllocator() where empty
};

struct SkippedSample {
  uint32_t epoch = 0;
  uint32_t sample = 0;
  uint32_t attempt = 0;
  std::string file;
  std::string reason;
};

struct Batch {
  uint32_t epoch = 0;         ///< of the first sample
  uint32_t first_sample = 0;  ///< index of the first sample in that epoch
  std::shared_ptr<BatchBlock> block;
};

struct LoaderStats {
  uint64_t batches = 0;   ///< delivered
  uint64_t samples = 0;   ///< made, delivered or not
  uint64_t skipped = 0;   ///< attempts at samples that failed, in delivered batches
  uint64_t skipped_samples = 0;  ///< samples replaced in delivered batches, however many attempts each took
  SampleTimes times;      ///< of all threads
  uint64_t idle = 0;      ///< nanoseconds that threads waited for room in the queue
  uint64_t wait = 0;      ///< nanoseconds that requests waited for a batch
  uint64_t queue_depth = 0;  ///< batches ready
  uint64_t threads = 0;   ///< that make samples
  uint64_t failed_threads = 0;  ///< of them, that ended because the loader failed: requests get the error, and nothing is made any more
  uint64_t busy = 0;      ///< nanoseconds that they made samples, waiting for frames included
  ReadAheadStats read_ahead;
  CacheStats cache;
};

class Loader {
 public:
  /// Exactly one of the two is set.
  using Callback = std::function<void(std::optional<Batch>, std::optional<SiamException>)>;

  /// Starts the threads. @throws ERR_SETUP without a JPEG library, ERR_DATA for an unusable data set, ERR_ARGUMENT for a wrong number
  Loader(Datasets datasets, const SamplerConfig& sampler, LoaderConfig config);

  /// As Close().
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Asks for the next batch; requests are served in order. The callback runs here and now, or later on a loader thread, or in Close()
  /// (with ERR_ABORTED). It must not throw, block, or destroy the loader.
  void Next(Callback callback);

  /// Stops and joins the threads, and frees what was read ahead. Takes as long as what each thread is at: one read, or decoding and
  /// cropping (milliseconds). Idempotent. Thread: any but a worker.
  void Close();

  LoaderStats Stats() const;

  /// Skipped samples of delivered batches since the last call, in order of samples; kMaxSkippedKept at most, the oldest go first.
  std::vector<SkippedSample> TakeSkipped();

  static constexpr size_t kMaxSkippedKept = 1000;
  /// Attempts at one sample before its last error is taken for the data set's.
  static constexpr uint32_t kMaxAttempts = 50;

 private:
  struct Pending {  // a batch that is begun and not delivered
    Batch batch;
    uint64_t first_position = 0;  // of its first sample, among all that this loader makes
    int taken = 0;
    int remaining = 0;
    int failed_sample = -1;
    std::optional<SiamException> error;
    std::vector<std::pair<int, SkippedSample>> skipped;
  };
  struct Request {
    Callback callback;
    uint64_t since = 0;
  };
  struct Delivery {
    Callback callback;
    std::optional<Batch> batch;
    std::optional<SiamException> error;
  };
  ReadAhead::Place PlaceOf(uint64_t position) const;
  void Start();
  void Work();
  void MakeOne(SampleMaker& maker, Pending& pending, int sample);
  void AddStoreStats(LoaderStats& stats) const;
  std::vector<Delivery> DeliverLocked();
  static void Run(std::vector<Delivery> deliveries);

  const std::shared_ptr<const PairSampler> sampler_;
  LoaderConfig config_;
  const std::shared_ptr<BlockPool> pool_;

  mutable std::mutex mutex_;
  std::condition_variable room_;
  std::mutex close_mutex_;
  std::atomic<bool> stopping_{false};  // set under the lock
  std::optional<SiamException> failed_;
  uint64_t begun_ = 0;
  uint64_t delivered_ = 0;
  std::deque<std::unique_ptr<Pending>> pending_;
  std::deque<Request> requests_;
  std::deque<SkippedSample> skipped_;
  LoaderStats stats_;
  std::shared_ptr<FrameStore> store_;
  std::shared_ptr<CachedStore> cached_;    ///< a part of store_, where there is a cache
  std::unique_ptr<ReadAhead> read_ahead_;  ///< null where nothing is read ahead
  std::vector<std::thread> threads_;  // last: threads use everything above
};

}  // namespace siam::data
