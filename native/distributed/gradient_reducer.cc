#include "gradient_reducer.h"

#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include <algorithm>

namespace siam::distributed {
namespace {

/// torch's own sizes: a small first bucket, so that the exchange begins early.
constexpr size_t kFirstBucketBytes = 1024 * 1024;
constexpr size_t kBucketBytes = 25 * 1024 * 1024;

}  // namespace

struct GradientReducer::Parts {
  std::shared_ptr<ProcessGroup> group;
  std::unique_ptr<c10d::Reducer> reducer;
};

GradientReducer::GradientReducer(std::shared_ptr<ProcessGroup> group, std::vector<at::Tensor> parameters) : parts_(std::make_unique<Parts>()) {
  parts_->group = std::move(group);
  parts_->group->guarded("set up the exchange of gradients", [&] {
    c10::intrusive_ptr<c10d::ProcessGroup> shared = c10::intrusive_ptr<c10d::ProcessGroup>::reclaim_copy(&parts_->group->group());
    c10d::verify_params_across_processes(shared, parameters, std::nullopt);
    const std::vector<bool> sparse(parameters.size(), false);
    auto buckets = std::get<0>(c10d::compute_bucket_assignment_by_size(parameters, {kFirstBucketBytes, kBucketBytes}, sparse));
    // Gradients come from the last layer to the first.
    std::reverse(buckets.begin(), buckets.end());
    parts_->reducer = std::make_unique<c10d::Reducer>(std::move(parameters), std::move(buckets), shared, sparse, kBucketBytes, /*find_unused_parameters=*/false,
                                                      /*gradient_as_bucket_view=*/false, std::unordered_map<size_t, std::string>{}, kFirstBucketBytes,
                                                      /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false, std::vector<int64_t>{});
  });
}

GradientReducer::~GradientReducer() = default;

void GradientReducer::expect(const std::vector<at::Tensor>& outputs) {
  parts_->group->guarded("agree on the exchange of gradients", [&] {
    if (parts_->reducer->should_rebuild_buckets()) parts_->reducer->rebuild_buckets();
    parts_->reducer->prepare_for_forward();
    parts_->reducer->prepare_for_backward(outputs);
  });
}

}  // namespace siam::distributed
