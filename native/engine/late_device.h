// A device for tests of DeviceCopies where there is none: its copies are made late.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "device_copies.h"

namespace siam::engine {

/// Copies within the host's memory, all of them when finish() is called, from where the sources were, whoever owns that memory by then: as a
/// device would that is behind with its work. So a source that was not kept shows as wrong values.
class LateDevice final : public CopyDevice, public std::enable_shared_from_this<LateDevice> {
 public:
  at::Tensor start(const at::Tensor& source, c10::Device device) override;
  std::unique_ptr<DeviceMark> mark(c10::Device device) override;

  /// Makes the copies that were begun. Any thread.
  void finish();

 private:
  class Mark;
  struct Job {
    at::Tensor copy;
    const void* from;
    size_t bytes;
  };

  std::mutex mutex_;
  std::vector<Job> jobs_;
  uint64_t begun_ = 0;
  uint64_t done_ = 0;
};

}  // namespace siam::engine
