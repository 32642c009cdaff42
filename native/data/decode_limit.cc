#include "decode_limit.h"

#include <atomic>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "../base/error.h"
#include "thread_clock.h"

namespace siam::data {
namespace {

/// Room for one sample that nobody looks at.
class ThrowAway {
 public:
  explicit ThrowAway(const SampleConfig& config)
      : z_(Plane(config.crop.z_size)), x_(Plane(config.crop.x_size)), points_(static_cast<size_t>(config.target.Points())), floats_(8 + points_ * 6) {}

  SampleOutput Parts() {
    float* f = floats_.data();
    return {z_.data(), x_.data(), f, f + 4, f + 8, f + 8 + points_, f + 8 + 2 * points_, &negative_};
  }

 private:
  static std::vector<uint8_t> Plane(int size) { return std::vector<uint8_t>(static_cast<size_t>(size) * static_cast<size_t>(size) * 3); }

  std::vector<uint8_t> z_, x_;
  size_t points_;
  std::vector<float> floats_;
  int64_t negative_ = 0;
};

}  // namespace

DecodeLimit::DecodeLimit(std::shared_ptr<const PairSampler> sampler, std::shared_ptr<FrameStore> store, SampleConfig config, uint32_t epoch, uint32_t first,
                         uint32_t count) {
  config.remember_means = true;
  SampleMaker maker(std::move(sampler), std::move(store), config);
  ThrowAway room(config);
  std::optional<SiamException> last;
  for (uint32_t i = 0; i < count; ++i) {
    try {
      // The first time, a crop that leaves its frame has that frame decoded whole. The second time its mean is known.
      maker.Make(epoch, first + i, 0, room.Parts());
      std::vector<DecodeJob> jobs;
      maker.RecordTo(&jobs);
      maker.Make(epoch, first + i, 0, room.Parts());
      maker.RecordTo(nullptr);
      samples_.push_back(std::move(jobs));
    } catch (const SiamException& error) {
      maker.RecordTo(nullptr);
      if (error.code() != "ERR_DATA" && error.code() != "ERR_IO") throw;
      last = error;
    }
  }
  if (samples_.empty()) {
    throw SiamException("ERR_DATA", last ? std::string("none of ") + std::to_string(count) + " samples is good, the last one: " + last->what()
                                         : "Expected at least one sample to decode", last ? last->file() : "");
  }
}

DecodeLimitRun DecodeLimit::Run(int threads, double seconds) const {
  const auto budget = static_cast<uint64_t>(seconds * 1e9);
  std::atomic<uint64_t> next{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;
  DecodeLimitRun total;
  std::exception_ptr failure;
  const uint64_t start = SteadyNanoseconds();
  const auto work = [&] {
    DecodeLimitRun mine;
    try {
      FrameDecoder decoder;
      std::vector<uint8_t> pixels;
      const CpuStopwatch cpu(mine.cpu);
      for (;;) {
        const uint64_t at = next.fetch_add(1);
        if (stop.load(std::memory_order_relaxed)) break;
        if (at >= samples_.size() && SteadyNanoseconds() - start >= budget) break;
        for (const DecodeJob& job : samples_[at % samples_.size()]) {
          decoder.DecodeRegionScaled(job.info, job.wanted, job.reduction, job.bytes.data(), job.bytes.size(), job.file, pixels);
          ++mine.regions;
        }
        ++mine.pairs;
      }
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex);
      failure = std::current_exception();
    }
    const std::lock_guard<std::mutex> lock(mutex);
    total.pairs += mine.pairs;
    total.regions += mine.regions;
    total.cpu += mine.cpu;
  };
  std::vector<std::thread> team;
  std::optional<SiamException> too_few;
  try {
    for (int i = 0; i < threads; ++i) team.emplace_back(work);
  } catch (const std::system_error& error) {
    // The limit of fewer threads than were asked for would be a wrong number.
    too_few.emplace("ERR_SETUP", "cannot start thread " + std::to_string(team.size() + 1) + " of " + std::to_string(threads) + ": " + error.what());
    stop = true;
  }
  for (std::thread& thread : team) thread.join();
  total.wall = SteadyNanoseconds() - start;
  if (failure) std::rethrow_exception(failure);
  if (too_few) throw *too_few;
  return total;
}

}  // namespace siam::data
