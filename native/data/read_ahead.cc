#include "read_ahead.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "thread_clock.h"

namespace siam::data {
namespace {

/// A sample that waits longer than this for its frames is worth a thread that reads: frames in the page cache take a tenth of it.
constexpr uint64_t kSlowSample = 250'000;
/// Waits are averaged over so many samples, or until they add up to this: one that the scheduler held up starts no thread.
constexpr uint64_t kSamplesToJudge = 16, kWaitToJudge = 50'000'000;
/// A sample whose draw reads more frames than this (the filter's area limits ask for sizes) is left to its own thread.
constexpr size_t kMaxFrames = 16;

[[noreturn]] void ThrowClosed() { throw SiamException("ERR_ABORTED", "the loader was closed"); }

AheadFrame* Find(std::vector<AheadFrame>& frames, const FrameRef& ref) {
  const auto found = std::find_if(frames.begin(), frames.end(), [&](const AheadFrame& frame) { return frame.ref == ref; });
  return found == frames.end() ? nullptr : &*found;
}

FrameBytes BytesOf(const AheadFrame& frame) {
  if (frame.error) throw *frame.error;
  return frame.bytes;
}

}  // namespace

/// Reads frames and keeps them: whatever a sample's draw asks for, the sample itself will ask for again.
class ReadAhead::Recorder : public FrameStore {
 public:
  explicit Recorder(ReadAhead& owner) : owner_(owner) {}

  std::vector<AheadFrame> frames;

  FrameBytes Read(const FrameRef& ref, std::vector<uint8_t>&) override {
    if (const AheadFrame* known = Find(frames, ref)) return BytesOf(*known);
    if (owner_.stopping_.load(std::memory_order_relaxed) || frames.size() == kMaxFrames) ThrowClosed();
    AheadFrame& frame = frames.emplace_back();
    frame.ref = ref;
    {
      const std::lock_guard<std::mutex> lock(owner_.mutex_);
      if (!owner_.pool_.empty()) {
        frame.buffer = std::move(owner_.pool_.back());
        owner_.pool_.pop_back();
        owner_.pooled_bytes_ -= frame.buffer.capacity();
      }
    }
    try {
      frame.bytes = owner_.store_->Read(ref, frame.buffer);
    } catch (const SiamException& error) {
      frame.error = error;
    } catch (...) {
      frames.pop_back();
      throw;
    }
    return BytesOf(frame);
  }

 private:
  ReadAhead& owner_;
};

ReadAhead::ReadAhead(std::shared_ptr<const PairSampler> sampler, std::shared_ptr<FrameStore> store, const SampleConfig& sample, PlaceOf place_of,
                     const ReadAheadConfig& config)
    : sampler_(std::move(sampler)),
      store_(std::move(store)),
      sample_(sample),
      place_of_(std::move(place_of)),
      config_(config),
      slots_(config.Samples()),
      sample_time_(kSlowSample),
      max_threads_(static_cast<size_t>(config.threads)) {}

ReadAhead::~ReadAhead() {
  Stop();
  Join();
}

uint64_t ReadAhead::Take(uint64_t position, std::vector<AheadFrame>& frames, uint64_t waited) {
  std::unique_lock<std::mutex> lock(mutex_);
  GiveBackLocked(frames);
  if (stopping_) return 0;
  GrowLocked(waited);
  begun_ = std::max(begun_, position + 1);
  next_ = std::max(next_, begun_);
  waited = 0;
  Slot& slot = SlotOf(position);
  if (slot.position == position && slot.state != State::kFree) {
    if (slot.state == State::kReading) {
      const uint64_t since = SteadyNanoseconds();
      ++waiting_;
      ready_.wait(lock, [&] { return slot.state == State::kReady || stopping_; });
      --waiting_;
      waited = SteadyNanoseconds() - since;
      if (stopping_) return waited;
    }
    frames = std::move(slot.frames);
    slot.frames.clear();
    slot.state = State::kFree;
    used_frames_ += frames.size();
  }
  if (idle_ > 0 && WorthWakingLocked()) work_.notify_one();
  return waited;
}

bool ReadAhead::MayReadLocked() {
  return next_ < begun_ + slots_.size() && SlotOf(next_).state == State::kFree && used_bytes_ + reading_ * sample_bytes_ < config_.bytes;
}

bool ReadAhead::WorthWakingLocked() {
  // Where reading is fast, a thread that is woken finds a good piece of work: a switch of threads for each sample is what would cost.
  const uint64_t room = sample_time_ < kSlowSample ? slots_.size() / 4 : 1;
  return begun_ + slots_.size() >= next_ + room && MayReadLocked();
}

void ReadAhead::Work() {
  const auto recorder = std::make_shared<Recorder>(*this);
  SampleMaker planner(sampler_, recorder, sample_);
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    if (!stopping_ && !MayReadLocked()) {
      ++idle_;
      work_.wait(lock, [this] { return stopping_ || WorthWakingLocked(); });
      --idle_;
    }
    if (stopping_) return;
    const uint64_t position = next_++;
    Slot& slot = SlotOf(position);
    slot.position = position;
    slot.state = State::kReading;
    ++reading_;
    // Others read beside this thread where reading takes long.
    if (idle_ > 0 && WorthWakingLocked()) work_.notify_one();
    lock.unlock();
    const uint64_t since = SteadyNanoseconds();
    std::vector<AheadFrame> frames = ReadSample(position, planner, *recorder);
    const uint64_t took = SteadyNanoseconds() - since;
    lock.lock();
    --reading_;
    read_time_ += took;
    sample_time_ = (7 * sample_time_ + took) / 8;
    sample_bytes_ = 0;
    for (const AheadFrame& frame : frames) sample_bytes_ += frame.buffer.capacity();
    used_bytes_ += sample_bytes_;
    slot.frames = std::move(frames);
    slot.state = State::kReady;
    if (waiting_ > 0) ready_.notify_all();
  }
}

std::vector<AheadFrame> ReadAhead::ReadSample(uint64_t position, SampleMaker& planner, Recorder& recorder) {
  recorder.frames.clear();
  std::vector<uint8_t> unused;
  try {
    const Place place = place_of_(position);
    const PairRef pair = planner.Pair(place.epoch, place.sample, 0);
    recorder.Read(pair.z, unused);
    recorder.Read(pair.x, unused);
  } catch (const std::exception&) {
    // A read that failed is in the record. Anything else (a bad box, no pair that the filter lets pass) the sample's own thread meets as well.
  }
  return std::move(recorder.frames);
}

void ReadAhead::GrowLocked(uint64_t waited) {
  waited_ += waited;
  ++waited_samples_;
  if (waited_samples_ < kSamplesToJudge && waited_ < kWaitToJudge) return;
  const bool slow = waited_ > waited_samples_ * kSlowSample;
  waited_ = waited_samples_ = 0;
  if (!slow) return;
  const size_t wanted = std::min(max_threads_, std::max<size_t>(1, 2 * threads_.size()));
  try {
    while (threads_.size() < wanted) threads_.emplace_back([this] { Work(); });
  } catch (const std::system_error&) {
    max_threads_ = threads_.size();  // the system gives no more; the loader works with fewer, or with none
  }
}

void ReadAhead::GiveBackLocked(std::vector<AheadFrame>& frames) {
  for (AheadFrame& frame : frames) {
    const size_t bytes = frame.buffer.capacity();
    used_bytes_ -= bytes;
    if (bytes == 0 || stopping_ || used_bytes_ + pooled_bytes_ + bytes > config_.bytes) continue;
    pooled_bytes_ += bytes;
    pool_.push_back(std::move(frame.buffer));
  }
  frames.clear();
}

void ReadAhead::Stop() {
  {
    // Under the lock: a thread between looking at the flag and waiting would miss the call.
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  ready_.notify_all();
}

void ReadAhead::Join() {
  // No thread is added after Stop(), so this is safe without the lock.
  for (std::thread& thread : threads_) thread.join();
  const std::lock_guard<std::mutex> lock(mutex_);
  threads_.clear();
  for (Slot& slot : slots_) slot = Slot{};
  pool_ = {};
  used_bytes_ = pooled_bytes_ = 0;
}

ReadAheadStats ReadAhead::Stats() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return {threads_.size(), used_frames_, used_bytes_ + pooled_bytes_, read_time_};
}

FrameReader::FrameReader(std::shared_ptr<FrameStore> store, ReadAhead* ahead, const std::atomic<bool>& stopping)
    : store_(std::move(store)), ahead_(ahead), stopping_(stopping) {}

uint64_t FrameReader::Begin(uint64_t position) {
  if (ahead_ == nullptr) return 0;
  waited_ = ahead_->Take(position, frames_, waited_);
  return waited_;
}

FrameBytes FrameReader::Read(const FrameRef& ref, std::vector<uint8_t>& buffer) {
  if (const AheadFrame* known = Find(frames_, ref)) return BytesOf(*known);
  if (stopping_.load(std::memory_order_relaxed)) ThrowClosed();
  const uint64_t since = SteadyNanoseconds();
  FrameBytes bytes = store_->Read(ref, buffer);
  waited_ += SteadyNanoseconds() - since;
  return bytes;
}

}  // namespace siam::data
