#pragma once

#include <ATen/ATen.h>

#include <map>
#include <memory>
#include <string>

#include "flat_buffers.h"

namespace siam::core {

/// A model's buffers (running statistics, num_batches_tracked) as they were before an iteration, so that one whose step is skipped leaves
/// them as if it had not been: a batch with a NaN would otherwise poison the running statistics for ever.
///
/// The buffers of our own modules are one kernel to take and one to put back; those of a TorchScript backbone go one by one, since a script
/// may replace them. Nothing waits for a device. Thread: engine.
class BufferStash {
 public:
  explicit BufferStash(std::shared_ptr<ModelBuffers> buffers) : buffers_(std::move(buffers)) {}

  /// Takes the buffers as they are, in training mode; in evaluation mode nothing changes them.
  void take();
  /// Puts back what was taken, if anything was and no state was loaded meanwhile.
  void put_back();
  /// The same where `skipped` (a bool scalar on the model's device) holds.
  void put_back_where(const at::Tensor& skipped);

 private:
  bool holds() const;

  std::shared_ptr<ModelBuffers> buffers_;
  bool taken_ = false;
  uint64_t loads_ = 0;  ///< of the model's state, when it was taken
  at::Tensor flat_;
  std::map<std::string, at::Tensor> script_;
};

}  // namespace siam::core
