// The processes of one run, and what they tell each other. Kept free of c10d's headers, which take long to compile.
#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace c10d {
class ProcessGroup;
}

namespace siam::distributed {

struct GroupOptions {
  std::string backend = "gloo";  ///< gloo (CPU, and CUDA tensors by way of the CPU)
  std::string address;           ///< of rank 0, which keeps the store
  int port = 0;
  int rank = 0;
  int size = 1;
  /// How long a rank waits for others: at the start, and in every exchange afterwards.
  std::chrono::milliseconds timeout{0};
  /// Name or address of this machine that the others reach it by; "": found from the route to rank 0.
  std::string host;
};

/// Every rank must make the same calls in the same order. A call that fails, because another rank is gone or late, leaves the group unusable.
/// Source: c10d (TCPStore, ProcessGroupGloo). Thread: engine.
class ProcessGroup {
 public:
  /// Meets the other ranks. @throws ERR_DISTRIBUTED when they do not all come within the time-out
  explicit ProcessGroup(const GroupOptions& options);
  ~ProcessGroup();
  ProcessGroup(const ProcessGroup&) = delete;
  ProcessGroup& operator=(const ProcessGroup&) = delete;

  int rank() const { return options_.rank; }
  int size() const { return options_.size; }

  /// All of rank 0's values, in place. Tensors of one device, any dtypes. @throws ERR_DISTRIBUTED
  void broadcast(const std::vector<at::Tensor>& tensors);
  /// The mean over ranks, in place; floating point. @throws ERR_DISTRIBUTED
  void average(const std::vector<at::Tensor>& tensors);
  /// The largest over ranks, in place. @throws ERR_DISTRIBUTED
  void maximum(const at::Tensor& tensor);
  /// Returns when all ranks are here. @throws ERR_DISTRIBUTED
  void barrier();

  c10d::ProcessGroup& group() const;
  /// Runs what exchanges with other ranks; what it throws becomes ERR_DISTRIBUTED with this rank's place in it.
  template <class Work>
  auto guarded(const char* what, Work&& work) const {
    try {
      return work();
    } catch (const std::exception& error) {
      fail(what, error);
    }
  }

 private:
  struct Parts;
  [[noreturn]] void fail(const char* what, const std::exception& error) const;

  const GroupOptions options_;
  std::unique_ptr<Parts> parts_;
};

}  // namespace siam::distributed
