#include "loader.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "thread_clock.h"

namespace siam::data {
namespace {

LoaderConfig Checked(LoaderConfig config) {
  const auto expect = [](bool holds, const char* what) {
    if (!holds) throw SiamException("ERR_ARGUMENT", std::string("Expected ") + what);
  };
  expect(config.read_ahead.threads >= 0 && config.read_ahead.threads <= 1024, "0 to 1024 threads that read ahead");
  expect(config.batch_size >= 1, "a batch size of at least 1");
  expect(config.threads >= 1 && config.threads <= 256, "1 to 256 loader threads");
  expect(config.queue_batches >= 1, "room for at least one batch");
  expect(config.samples_per_epoch >= 1, "at least one sample an epoch");
  expect(config.world_size >= 1 && config.rank >= 0 && config.rank < config.world_size, "a rank below the world size");
  expect(config.sample.crop.z_size >= 2 && config.sample.crop.x_size >= 2, "crops of at least two pixels");
  expect(config.sample.target.score_size >= 1, "a score map of at least one point");
  if (!config.allocator.allocate) config.allocator = HostAllocator();
  return config;
}

BatchShape ShapeOf(const LoaderConfig& config) {
  return {config.batch_size, config.sample.crop.z_size, config.sample.crop.x_size, config.sample.target.Points()};
}

/// What the system refuses (files, memory, a library) has another code, and is no sample's fault.
bool IsBadSample(const SiamException& error) { return error.code() == "ERR_DATA" || error.code() == "ERR_IO"; }

void Add(SampleTimes& total, const SampleTimes& more) {
  total.read += more.read;
  total.decode += more.decode;
  total.mean += more.mean;
  total.warp += more.warp;
  total.cpu += more.cpu;
  total.bytes += more.bytes;
  total.whole_decodes += more.whole_decodes;
  total.region_decodes += more.region_decodes;
}

}  // namespace

Loader::Loader(Datasets datasets, const SamplerConfig& sampler, LoaderConfig config)
    : sampler_(std::make_shared<PairSampler>(std::move(datasets), sampler)),
      config_(Checked(std::move(config))),
      pool_(std::make_shared<BlockPool>(ShapeOf(config_), config_.allocator, static_cast<size_t>(config_.queue_batches) + 1)) {
  tj::Get();
  store_ = std::make_shared<FileStore>(sampler_);
  if (config_.read_delay.count() > 0) store_ = std::make_shared<DelayedStore>(std::move(store_), config_.read_delay);
  if (config_.cache) store_ = cached_ = std::make_shared<CachedStore>(std::move(store_), config_.cache, sampler_);
  if (config_.read_ahead.threads > 0) {
    read_ahead_ = std::make_unique<ReadAhead>(sampler_, store_, config_.sample, [this](uint64_t position) { return PlaceOf(position); }, config_.read_ahead);
  }
  Start();
}

void Loader::Start() {
  threads_.reserve(static_cast<size_t>(config_.threads));
  try {
    for (int i = 0; i < config_.threads; ++i) threads_.emplace_back([this] { Work(); });
  } catch (const std::system_error& error) {
    Close();
    throw SiamException("ERR_SETUP", std::string("cannot start a loader thread: ") + error.what());
  }
}

Loader::~Loader() { Close(); }

void Loader::Next(Callback callback) {
  std::vector<Delivery> deliveries;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) {
      deliveries.push_back({std::move(callback), std::nullopt, SiamException("ERR_ABORTED", "the loader is closed")});
    } else {
      requests_.push_back({std::move(callback), SteadyNanoseconds()});
      deliveries = DeliverLocked();
    }
  }
  Run(std::move(deliveries));
}

void Loader::Close() {
  const std::lock_guard<std::mutex> closing(close_mutex_);
  std::vector<Delivery> aborted;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    for (Request& request : requests_) {
      aborted.push_back({std::move(request.callback), std::nullopt, SiamException("ERR_ABORTED", "the loader was closed")});
    }
    requests_.clear();
  }
  room_.notify_all();
  // Told before anybody is waited for: a thread that makes samples may be waiting for a frame.
  if (read_ahead_) read_ahead_->Stop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  if (read_ahead_) read_ahead_->Join();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    pending_.clear();
    // The counts stay readable, but nothing of a closed loader keeps the cache in memory.
    if (store_) AddStoreStats(stats_);
    read_ahead_.reset();
    cached_.reset();
    store_.reset();
    config_.cache.reset();
  }
  // A closed loader may stay referenced for long (JavaScript collects handles when it likes), and its blocks are megabytes.
  pool_->Close();
  Run(std::move(aborted));
}

LoaderStats Loader::Stats() const {
  std::lock_guard<std::mutex> lock(mutex_);
  LoaderStats stats = stats_;
  stats.threads = static_cast<uint64_t>(config_.threads);
  if (store_) AddStoreStats(stats);
  stats.queue_depth = static_cast<uint64_t>(
      std::count_if(pending_.begin(), pending_.end(), [](const auto& pending) { return pending->remaining == 0; }));
  return stats;
}

std::vector<SkippedSample> Loader::TakeSkipped() {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<SkippedSample> taken(std::make_move_iterator(skipped_.begin()), std::make_move_iterator(skipped_.end()));
  skipped_.clear();
  return taken;
}

void Loader::AddStoreStats(LoaderStats& stats) const {
  if (read_ahead_) stats.read_ahead = read_ahead_->Stats();
  if (cached_) stats.cache = cached_->Stats();
}

ReadAhead::Place Loader::PlaceOf(uint64_t position) const {
  const uint64_t size = static_cast<uint64_t>(config_.batch_size);
  const uint64_t dealt = position / size * static_cast<uint64_t>(config_.world_size) + static_cast<uint64_t>(config_.rank);
  const uint64_t index = config_.start_sample + dealt * size + position % size;
  return {static_cast<uint32_t>(config_.start_epoch + index / config_.samples_per_epoch),
          static_cast<uint32_t>(index % config_.samples_per_epoch)};
}

void Loader::Work() {
  const auto reader = std::make_shared<FrameReader>(store_, read_ahead_.get(), stopping_);
  std::unique_ptr<SampleMaker> maker;
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    const auto may_begin = [this] { return begun_ < delivered_ + static_cast<uint64_t>(config_.queue_batches); };
    const auto has_part = [this] { return !pending_.empty() && pending_.back()->taken < config_.batch_size; };
    if (!stopping_ && !has_part() && !may_begin()) {
      const uint64_t since = SteadyNanoseconds();
      room_.wait(lock, [&] { return stopping_ || has_part() || may_begin(); });
      stats_.idle += SteadyNanoseconds() - since;
    }
    if (stopping_) return;

    Pending* pending = nullptr;
    int sample = 0;
    uint64_t waited = 0;
    std::vector<Delivery> deliveries;
    try {
      if (!has_part()) {
        auto fresh = std::make_unique<Pending>();
        fresh->first_position = begun_ * static_cast<uint64_t>(config_.batch_size);
        const ReadAhead::Place place = PlaceOf(fresh->first_position);
        fresh->batch = {place.epoch, place.sample, pool_->Take()};
        fresh->remaining = config_.batch_size;
        pending_.push_back(std::move(fresh));
        ++begun_;
        // The other threads may take the new batch's further samples.
        room_.notify_all();
      }
      pending = pending_.back().get();
      sample = pending->taken++;
      lock.unlock();
      // A pending batch stays where it is until its last sample is done, so the pointer holds without the lock.
      const uint64_t since = SteadyNanoseconds();
      if (!maker) maker = std::make_unique<SampleMaker>(sampler_, reader, config_.sample);
      // Waiting for the read-ahead is waiting for the disk.
      waited = reader->Begin(pending->first_position + static_cast<uint64_t>(sample));
      MakeOne(*maker, *pending, sample);
      const uint64_t took = SteadyNanoseconds() - since;
      lock.lock();
      stats_.busy += took;
    } catch (const SiamException& error) {
      if (!lock.owns_lock()) lock.lock();
      failed_ = error;
    } catch (const std::exception& error) {
      // Out of memory and the like: no sample's fault, so the loader as a whole fails.
      if (!lock.owns_lock()) lock.lock();
      failed_.emplace("ERR_INTERNAL", std::string("a loader thread failed: ") + error.what());
    }
    if (maker) Add(stats_.times, maker->TakeTimes());
    stats_.times.read += waited;
    if (pending != nullptr) {
      ++stats_.samples;
      --pending->remaining;
    }
    deliveries = DeliverLocked();
    if (!deliveries.empty()) room_.notify_all();
    const bool over = failed_.has_value();
    if (over) ++stats_.failed_threads;
    lock.unlock();
    Run(std::move(deliveries));
    if (over) return;
    lock.lock();
  }
}

void Loader::MakeOne(SampleMaker& maker, Pending& pending, int sample) {
  // The block's parts are disjoint; what else of `pending` is written here is under the lock.
  const auto [epoch, index] = PlaceOf(pending.first_position + static_cast<uint64_t>(sample));
  const SampleOutput out = pending.batch.block->Parts(sample);
  for (uint32_t attempt = 0;; ++attempt) {
    try {
      maker.Make(epoch, index, attempt, out);
      return;
    } catch (const SiamException& error) {
      const bool fatal = config_.strict || !IsBadSample(error) || attempt + 1 >= kMaxAttempts;
      std::lock_guard<std::mutex> lock(mutex_);
      if (stopping_) return;
      if (!fatal) {
        pending.skipped.emplace_back(sample, SkippedSample{epoch, index, attempt, error.file(), error.what()});
        continue;
      }
      if (pending.failed_sample < 0 || sample < pending.failed_sample) {
        pending.failed_sample = sample;
        const std::string where = "sample " + std::to_string(index) + " of epoch " + std::to_string(epoch);
        pending.error = config_.strict || !IsBadSample(error)
                            ? SiamException(error.code(), where + ": " + error.what(), error.file())
                            : SiamException("ERR_DATA",
                                        where + ": " + std::to_string(kMaxAttempts) + " samples in a row were bad, the last one: " +
                                            error.what(),
                                        error.file());
      }
      return;
    }
  }
}

std::vector<Loader::Delivery> Loader::DeliverLocked() {
  std::vector<Delivery> deliveries;
  while (!requests_.empty()) {
    if (!failed_ && !pending_.empty() && pending_.front()->remaining == 0 && pending_.front()->taken == config_.batch_size &&
        pending_.front()->error) {
      failed_ = pending_.front()->error;
      pending_.front()->error.reset();
    }
    Delivery delivery{std::move(requests_.front().callback), std::nullopt, std::nullopt};
    if (failed_) {
      delivery.error = failed_;
    } else if (!pending_.empty() && pending_.front()->remaining == 0) {
      Pending& front = *pending_.front();
      std::stable_sort(front.skipped.begin(), front.skipped.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
      for (auto& entry : front.skipped) {
        ++stats_.skipped;
        if (entry.second.attempt == 0) ++stats_.skipped_samples;
        skipped_.push_back(std::move(entry.second));
        if (skipped_.size() > kMaxSkippedKept) skipped_.pop_front();
      }
      delivery.batch = std::move(front.batch);
      pending_.pop_front();
      ++delivered_;
      ++stats_.batches;
      room_.notify_all();
    } else {
      requests_.front().callback = std::move(delivery.callback);
      break;
    }
    stats_.wait += SteadyNanoseconds() - requests_.front().since;
    requests_.pop_front();
    deliveries.push_back(std::move(delivery));
  }
  return deliveries;
}

void Loader::Run(std::vector<Delivery> deliveries) {
  for (Delivery& delivery : deliveries) delivery.callback(std::move(delivery.batch), std::move(delivery.error));
}

}  // namespace siam::data
