// Frames of the samples to come, read by threads of their own before a thread that makes samples needs them.
//
// Which frames a sample takes is known long before it is made: it is a pure function of (seed, epoch, sample, attempt). Only first attempts
// are read ahead for. What was read lies in a ring of slots, one for each of the next samples.
//
// Rules, each with the bug that it prevents:
// 1. Nobody waits for the read-ahead except for a read that is under way: whoever comes before its slot was begun reads for itself. So a
//    bound on memory, or a reader that is late, can never be a deadlock.
// 2. A read that failed is kept in the slot and thrown where the sample reads: a bad frame is the same error at the same place with and
//    without the read-ahead.
// 3. Threads are started when samples turn out to wait for their frames, one, then two, four, …: frames that are in the page cache are
//    read by the thread that decodes them, while they are in its CPU's cache, and switching threads costs nothing where it gains nothing.
// 4. After Stop() no read begins; those under way end first. The kernel offers no way to take one back, and a thread left behind
//    would run in a library that may be unloaded.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "../base/error.h"
#include "frame_store.h"
#include "sample_maker.h"

namespace siam::data {

struct ReadAheadConfig {
  int threads = 0;                    ///< at most; 0: nothing is read ahead
  uint64_t bytes = uint64_t{64} << 20;  ///< bound on the memory of what is read ahead
  /// Samples that are looked ahead for: enough for every thread to be reading while as much again waits.
  uint64_t Samples() const { return 4 * static_cast<uint64_t>(threads); }
};

struct ReadAheadStats {
  uint64_t threads = 0;  ///< that read, now
  uint64_t frames = 0;   ///< read ahead and used
  uint64_t bytes = 0;    ///< of memory that they take now
  uint64_t read = 0;     ///< nanoseconds that the threads read
};

/// A frame that was read ahead, or why it could not be.
struct AheadFrame {
  FrameRef ref;
  std::vector<uint8_t> buffer;
  FrameBytes bytes;
  std::optional<SiamException> error;
};

class ReadAhead {
 public:
  struct Place {
    uint32_t epoch = 0;
    uint32_t sample = 0;
  };
  /// Epoch and sample of the n-th sample that the loader makes.
  using PlaceOf = std::function<Place(uint64_t position)>;

  ReadAhead(std::shared_ptr<const PairSampler> sampler, std::shared_ptr<FrameStore> store, const SampleConfig& sample, PlaceOf place_of,
            const ReadAheadConfig& config);
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  /// Takes what was read for a sample; waits where that is under way. Positions are taken about in order, each once.
  /// @param frames  those of the caller's last sample, whose memory is used again; then those of this one, maybe none
  /// @param waited  nanoseconds that the caller's last sample waited for its frames
  /// @returns nanoseconds that this one waited here
  uint64_t Take(uint64_t position, std::vector<AheadFrame>& frames, uint64_t waited);

  /// No read begins any more, and nobody waits. Then Join() waits for those under way and frees the memory. Idempotent.
  void Stop();
  void Join();

  ReadAheadStats Stats() const;

 private:
  enum class State { kFree, kReading, kReady };
  struct Slot {
    State state = State::kFree;
    uint64_t position = 0;
    std::vector<AheadFrame> frames;
  };
  class Recorder;

  Slot& SlotOf(uint64_t position) { return slots_[position % slots_.size()]; }
  bool MayReadLocked();
  bool WorthWakingLocked();
  void Work();
  std::vector<AheadFrame> ReadSample(uint64_t position, SampleMaker& planner, Recorder& recorder);
  void GrowLocked(uint64_t waited);
  void GiveBackLocked(std::vector<AheadFrame>& frames);

  const std::shared_ptr<const PairSampler> sampler_;
  const std::shared_ptr<FrameStore> store_;
  const SampleConfig sample_;
  const PlaceOf place_of_;
  const ReadAheadConfig config_;
  std::atomic<bool> stopping_{false};

  mutable std::mutex mutex_;
  std::condition_variable work_, ready_;
  std::vector<Slot> slots_;
  uint64_t begun_ = 0;          ///< one more than the largest position taken
  uint64_t next_ = 0;           ///< position to read next, at least begun_
  uint64_t reading_ = 0;        ///< samples that are being read
  uint64_t sample_bytes_ = 0;   ///< of the sample read last: about what one that is being read will take
  uint64_t sample_time_;        ///< nanoseconds that reading a sample takes, averaged
  uint64_t used_bytes_ = 0;     ///< of buffers in slots and with threads that make samples
  uint64_t pooled_bytes_ = 0;   ///< of buffers that wait to be used again
  std::vector<std::vector<uint8_t>> pool_;
  uint64_t idle_ = 0;           ///< threads that wait for work
  uint64_t waiting_ = 0;        ///< threads that wait for a slot
  uint64_t waited_ = 0, waited_samples_ = 0;
  uint64_t used_frames_ = 0, read_time_ = 0;
  size_t max_threads_;
  std::vector<std::thread> threads_;  // last: threads use everything above
};

/// One thread's view of the loader's frames: what was read ahead for the sample that it makes, else the store.
class FrameReader : public FrameStore {
 public:
  /// @param ahead  may be null     @param stopping  once set, Read throws ERR_ABORTED instead of beginning to read
  FrameReader(std::shared_ptr<FrameStore> store, ReadAhead* ahead, const std::atomic<bool>& stopping);

  /// Called before each sample, with its place in the loader's order.
  /// @returns nanoseconds that it waited for a read that was under way
  uint64_t Begin(uint64_t position);
  FrameBytes Read(const FrameRef& ref, std::vector<uint8_t>& buffer) override;
  FrameRef Shared(const FrameRef& ref) const override { return store_->Shared(ref); }

 private:
  const std::shared_ptr<FrameStore> store_;
  ReadAhead* const ahead_;
  const std::atomic<bool>& stopping_;
  std::vector<AheadFrame> frames_;
  uint64_t waited_ = 0;
};

}  // namespace siam::data
