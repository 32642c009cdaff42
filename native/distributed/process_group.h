// The processes of one run, and what they tell each other. Kept free of c10d's headers, which take long to compile.
#pragma once

#include <ATen/core/Tensor.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "../base/error.h"

namespace c10d {
class ProcessGroup;
}

namespace siam::distributed {

struct GroupOptions {
  /// What carries gradients and buffers: gloo (CPU, and CUDA tensors by way of the CPU), nccl (CUDA).
  std::string backend = "gloo";
  std::string device = "cpu";  ///< where those lie: cpu, cuda:N
  std::string address;         ///< of rank 0, which keeps the store
  int port = 0;
  int rank = 0;
  int size = 1;
  /// This process keeps the store; else it is there already (torchrun's agent) or another rank's.
  bool keeps_store = false;
  /// Set apart from what other runs, or earlier attempts at this one, left in a store that outlives them.
  std::string prefix = "siamfcpp";
  /// How long a rank waits for the others at the start and in gather_at(), and in every exchange.
  std::chrono::milliseconds start_timeout{0}, timeout{0};
  /// Another thread sets it to end the waits that start_timeout bounds.
  std::shared_ptr<std::atomic<bool>> cancelled = std::make_shared<std::atomic<bool>>(false);
  /// Name or address of this machine that the others reach it by; "": found from the route to rank 0.
  std::string host;
};

/// Every rank must make the same calls in the same order. An exchange that fails, because another rank is gone or late, leaves the group
/// unusable. Two channels: `control` carries numbers of the host and never waits for a device; the other one carries gradients and buffers.
/// Source: c10d (TCPStore, ProcessGroupGloo). Thread: engine.
class ProcessGroup {
 public:
  /// Meets the other ranks. @throws what meet() (meeting.h) throws, ERR_DEVICE for a backend that is not there
  explicit ProcessGroup(const GroupOptions& options);
  ~ProcessGroup();
  ProcessGroup(const ProcessGroup&) = delete;
  ProcessGroup& operator=(const ProcessGroup&) = delete;

  int rank() const { return options_.rank; }
  int size() const { return options_.size; }

  // --- gradients' channel ------------------------------------------------------------------------------------------------------------
  /// All of rank 0's values, in place. Tensors of the group's device, any dtypes. @throws ERR_DISTRIBUTED
  void broadcast(const std::vector<at::Tensor>& tensors);
  /// The sum over ranks, in place, of a contiguous tensor: on the control channel where it lies on the CPU. @throws ERR_DISTRIBUTED
  void sum(at::Tensor tensor);
  c10d::ProcessGroup& group() const;

  // --- control channel ---------------------------------------------------------------------------------------------------------------
  /// The mean over ranks, in place. @throws ERR_DISTRIBUTED
  void average(std::vector<double>& values);
  /// The largest over ranks, in place. @throws ERR_DISTRIBUTED
  void maximum(std::vector<double>& values);
  /// Rank 0's bytes on all ranks. @throws ERR_DISTRIBUTED
  void broadcast_bytes(std::vector<uint8_t>& bytes);
  /// Returns when all ranks are here. @throws ERR_DISTRIBUTED
  void barrier();
  /// As barrier(), with the long time-out and a message that names who is missing; each place once. @throws ERR_DISTRIBUTED, ERR_ABORTED
  void gather_at(const std::string& place);

  // --- ends --------------------------------------------------------------------------------------------------------------------------
  /// Leaves word of why this rank ends, for the others to find; the first word stays. Never throws: the store may be gone.
  void leave_failed(const std::string& reason) noexcept;
  /// What a rank has left, "" where none has, or the store is gone. Waits up to `wait` for it.
  std::string failure(std::chrono::milliseconds wait) noexcept;
  /// Ends all channels, so that whoever waits for this rank learns of it at once. Rank 0 keeps the store for up to `wait`, until the others
  /// have left, too: they may still have to read in it. Never throws.
  void leave(std::chrono::milliseconds wait) noexcept;

  /// Runs what exchanges with other ranks; what it throws becomes ERR_DISTRIBUTED with this rank's place in it.
  template <class Work>
  auto guarded(const char* what, Work&& work) const {
    try {
      return work();
    } catch (const SiamException&) {
      throw;
    } catch (const std::exception& error) {
      fail(what, error);
    }
  }

 private:
  struct Parts;
  void open_channels();
  [[noreturn]] void fail(const char* what, const std::exception& error) const;
  std::string place() const;
  Parts& parts() const;

  const GroupOptions options_;
  std::unique_ptr<Parts> parts_;  ///< none once it has left
};

}  // namespace siam::distributed
