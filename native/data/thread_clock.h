// Clocks that the pipeline's figures are taken with.
#pragma once

#include <time.h>

#include <chrono>
#include <cstdint>

namespace siam::data {

/// Nanoseconds of a clock that never goes back.
inline uint64_t SteadyNanoseconds() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

/// Nanoseconds that the calling thread has had on a core. The difference to the steady clock is what it waited: for a disk, or for a core.
inline uint64_t ThreadCpuNanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

/// Adds the thread's processor time of its scope to a total.
class CpuStopwatch {
 public:
  explicit CpuStopwatch(uint64_t& total) : total_(total), start_(ThreadCpuNanoseconds()) {}
  ~CpuStopwatch() { total_ += ThreadCpuNanoseconds() - start_; }
  CpuStopwatch(const CpuStopwatch&) = delete;
  CpuStopwatch& operator=(const CpuStopwatch&) = delete;

 private:
  uint64_t& total_;
  uint64_t start_;
};

}  // namespace siam::data
