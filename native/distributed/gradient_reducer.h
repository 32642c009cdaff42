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
  /// @param parameters  those that require gradients, in one order on all ranks
  /// @param dynamic     which of them the loss depends on may differ between ranks and iterations (a TorchScript backbone with branches): that
  ///   is then found out and exchanged at each iteration. Else it is found out once, and what the loss does not depend on stays without a gradient.
  GradientReducer(std::shared_ptr<ProcessGroup> group, std::vector<at::Tensor> parameters, bool dynamic);
  ~GradientReducer();

  /// The next backward from `loss` averages. Without this call gradients stay this rank's own (all but the last of several accumulated batches).
  /// @throws ERR_DISTRIBUTED when ranks do not train the same parameters, or one is gone
  void expect(const at::Tensor& loss);

 private:
  void make(const at::Tensor& loss);

  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace siam::distributed
