// BatchNorm's statistics over the ranks of a process group.
#pragma once

#include <memory>

#include "../core/statistics_exchange.h"
#include "process_group.h"

namespace siam::distributed {

class GroupStatistics : public core::StatisticsExchange {
 public:
  explicit GroupStatistics(std::shared_ptr<ProcessGroup> group) : group_(std::move(group)) {}
  void sum(const at::Tensor& values) override { group_->sum(values); }

 private:
  std::shared_ptr<ProcessGroup> group_;
};

}  // namespace siam::distributed
