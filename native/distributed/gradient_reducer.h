// Gradients of all ranks, averaged while backward still runs.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "process_group.h"

namespace siam::distributed {

/// Buckets of parameters whose gradients are averaged over the ranks as soon as the last of a bucket is there. Made for one set of trainable
/// parameters; when that changes (a freezer), make another.
/// Source: c10d::Reducer, as torch's DistributedDataParallel uses it. Thread: engine.
class GradientReducer {
 public:
  /// @param parameters  those that require gradients, in one order on all ranks     @throws ERR_DISTRIBUTED
  GradientReducer(std::shared_ptr<ProcessGroup> group, std::vector<at::Tensor> parameters);
  ~GradientReducer();

  /// The next backward from `outputs` averages. Without this call gradients stay this rank's own (all but the last of several accumulated batches).
  void expect(const std::vector<at::Tensor>& outputs);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace siam::distributed
