// How BatchNorm learns of the batches of other processes. The core knows nothing of them but this.
#pragma once

#include <ATen/core/ivalue.h>

namespace siam::core {

/// Adds values up over all ranks of a run. Every rank asks in the same order.
/// Counted intrusively, so that the graph of a forward pass can keep it until backward.
class StatisticsExchange : public torch::CustomClassHolder {
 public:
  /// @param values  contiguous, float64 or float32, replaced by their sum over ranks; bit-equal on all of them     @throws ERR_DISTRIBUTED
  virtual void sum(const at::Tensor& values) = 0;
};

using StatisticsExchangePtr = c10::intrusive_ptr<StatisticsExchange>;

/// While one is set, BatchNorm in training on this thread takes its statistics over all ranks.
inline StatisticsExchangePtr& current_statistics_exchange() {
  static thread_local StatisticsExchangePtr exchange;
  return exchange;
}

}  // namespace siam::core
