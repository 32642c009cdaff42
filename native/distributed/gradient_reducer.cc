#include "gradient_reducer.h"

#include <torch/csrc/autograd/functions/accumulate_grad.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include <algorithm>
#include <unordered_set>

namespace siam::distributed {
namespace {

/// torch's own sizes: a small first bucket, so that the exchange begins early.
constexpr size_t kFirstBucketBytes = 1024 * 1024;
constexpr size_t kBucketBytes = 25 * 1024 * 1024;

/// Passes on what torch warns of, but for one thing: the weights of a depthwise convolution have two equivalent sets of strides, and the reducer
/// wonders that a gradient has the other one.
class WarningsOfTraining : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override {
    if (warning.msg().find("Grad strides do not match bucket view strides") == std::string::npos) c10::WarningHandler::process(warning);
  }
};

/// Those of `parameters` that the graph behind `loss` ends in.
std::vector<at::Tensor> reached(const at::Tensor& loss, const std::vector<at::Tensor>& parameters) {
  using torch::autograd::Node;
  std::unordered_set<const c10::TensorImpl*> leaves;
  std::unordered_set<Node*> seen;
  std::vector<Node*> open;
  const auto visit = [&](Node* node) {
    if (node != nullptr && seen.insert(node).second) open.push_back(node);
  };
  visit(loss.grad_fn().get());
  while (!open.empty()) {
    Node* node = open.back();
    open.pop_back();
    if (const auto* leaf = dynamic_cast<torch::autograd::AccumulateGrad*>(node)) leaves.insert(leaf->variable.unsafeGetTensorImpl());
    for (const auto& edge : node->next_edges()) visit(edge.function.get());
  }
  std::vector<at::Tensor> found;
  for (const auto& parameter : parameters) {
    if (leaves.count(parameter.unsafeGetTensorImpl()) != 0) found.push_back(parameter);
  }
  return found;
}

}  // namespace

struct GradientReducer::Parts {
  std::shared_ptr<ProcessGroup> group;
  std::vector<at::Tensor> parameters;
  bool dynamic = false;
  std::unique_ptr<c10d::Reducer> reducer;
};

GradientReducer::GradientReducer(std::shared_ptr<ProcessGroup> group, std::vector<at::Tensor> parameters, bool dynamic)
    : parts_(new Parts{std::move(group), std::move(parameters), dynamic, nullptr}) {}

GradientReducer::~GradientReducer() = default;

void GradientReducer::make(const at::Tensor& loss) {
  std::vector<at::Tensor> used = parts_->dynamic ? parts_->parameters : reached(loss, parts_->parameters);
  if (used.empty()) return;  // backward will say that there is nothing to train
  c10::intrusive_ptr<c10d::ProcessGroup> shared = c10::intrusive_ptr<c10d::ProcessGroup>::reclaim_copy(&parts_->group->group());
  c10d::verify_params_across_processes(shared, used, std::nullopt);
  const std::vector<bool> sparse(used.size(), false);
  auto buckets = std::get<0>(c10d::compute_bucket_assignment_by_size(used, {kFirstBucketBytes, kBucketBytes}, sparse));
  // Gradients come from the last layer to the first.
  std::reverse(buckets.begin(), buckets.end());
  parts_->reducer = std::make_unique<c10d::Reducer>(std::move(used), std::move(buckets), shared, sparse, kBucketBytes, /*find_unused_parameters=*/parts_->dynamic,
                                                    /*gradient_as_bucket_view=*/false, std::unordered_map<size_t, std::string>{}, kFirstBucketBytes,
                                                    /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false, std::vector<int64_t>{});
}

void GradientReducer::expect(const at::Tensor& loss) {
  static WarningsOfTraining warnings;
  c10::WarningUtils::set_warning_handler(&warnings);  // of this thread: the engine's, to which backward's other threads hand theirs
  parts_->group->guarded("agree on the exchange of gradients", [&] {
    if (!parts_->reducer) make(loss);
    if (!parts_->reducer) return;
    if (parts_->reducer->should_rebuild_buckets()) parts_->reducer->rebuild_buckets();
    parts_->reducer->prepare_for_forward();
    parts_->reducer->prepare_for_backward({loss});
  });
}

}  // namespace siam::distributed
