// What batch_norm_act (norm_act.h) does differently where statistics are taken over all ranks.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <vector>

#include "norm_act.h"
#include "statistics_exchange.h"

namespace siam::core {

/// Adds two sums for each channel up over all ranks.
/// @param count  values that each of them has on this rank     @returns how many all ranks have
double exchange_two_sums(StatisticsExchange& exchange, std::vector<double>& first, std::vector<double>& second, double count);

/// batch_norm_act in training for tensors that have no kernel of ours (CUDA), of torch's operations; statistics in float64.
/// Parity: torch.nn.SyncBatchNorm; the CPU kernels agree with it (test/native/sync-bn). Thread: engine.
at::Tensor synced_batch_norm_act(const at::Tensor& x, const std::optional<at::Tensor>& conv_bias, NormState& state, const StatisticsExchangePtr& exchange, bool relu);

}  // namespace siam::core
