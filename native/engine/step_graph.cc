#include "step_graph.h"

#include <ATen/Context.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/stack.h>
#include <c10/core/GradMode.h>

#include <algorithm>

namespace siam::engine {
namespace {

/// Copies, in one kernel where they are scalars of one type: the graph's next replay overwrites the originals.
std::vector<at::Tensor> copies(const std::vector<at::Tensor>& tensors) {
  const bool alike = std::all_of(tensors.begin(), tensors.end(), [&](const at::Tensor& tensor) { return tensor.numel() == 1 && tensor.dim() == 0 && tensor.scalar_type() == tensors[0].scalar_type(); });
  if (!tensors.empty() && alike) return at::stack(tensors).unbind();
  std::vector<at::Tensor> made;
  for (const auto& tensor : tensors) made.push_back(tensor.clone());
  return made;
}

}  // namespace

StepGraph::StepGraph(std::unique_ptr<CudaGraph> graph, std::vector<at::Tensor> parameters, std::function<State()> watched, std::function<Restore()> remember)
    : parameters_(std::move(parameters)), watched_(std::move(watched)), remember_(std::move(remember)), graph_(std::move(graph)) {}

StepGraph::~StepGraph() = default;

std::vector<at::Tensor> StepGraph::begin(const std::vector<at::Tensor>& batch) {
  const c10::NoGradGuard no_grad;
  drop_capture();
  drop_gradients();
  for (const auto& tensor : batch) batch_.push_back(at::empty_like(tensor).copy_(tensor));
  graph_->begin();
  return batch_;
}

void StepGraph::end(const std::vector<at::Tensor>& results) {
  graph_->end();
  for (const auto& tensor : results) results_.push_back(tensor.detach());
  for (const auto& parameter : parameters_) {
    if (parameter.grad().defined()) gradients_.emplace_back(parameter, parameter.grad());
  }
  if (remember_) restore_ = remember_();
  captured_ = state();
}

void StepGraph::abandon() noexcept {
  graph_->abandon();
  drop_capture();
  drop_gradients();
}

bool StepGraph::fits(const std::vector<at::Tensor>& batch) const {
  if (!captured_ || batch.size() != batch_.size()) return false;
  for (size_t i = 0; i < batch.size(); i++) {
    if (batch[i].sizes() != batch_[i].sizes() || batch[i].scalar_type() != batch_[i].scalar_type() || batch[i].device() != batch_[i].device()) return false;
  }
  return *captured_ == state();
}

std::vector<at::Tensor> StepGraph::replay(const std::vector<at::Tensor>& batch) {
  const c10::NoGradGuard no_grad;
  for (size_t i = 0; i < batch.size(); i++) batch_[i].copy_(batch[i], /*non_blocking=*/true);
  graph_->replay();
  for (auto& [parameter, gradient] : gradients_) parameter.mutable_grad() = gradient;
  if (restore_) restore_();
  return copies(results_);
}

StepGraph::State StepGraph::state() const {
  State state = watched_();
  for (const auto& parameter : parameters_) {
    state.push_back(reinterpret_cast<uint64_t>(parameter.const_data_ptr()));
    state.push_back(parameter.requires_grad());
  }
  const at::Context& context = at::globalContext();
  for (const bool flag : {context.userEnabledCuDNN(), context.benchmarkCuDNN(), context.deterministicCuDNN(), context.deterministicAlgorithms()}) state.push_back(flag);
  for (const at::Float32Backend backend : {at::Float32Backend::CUDA}) {
    for (const at::Float32Op op : {at::Float32Op::CONV, at::Float32Op::MATMUL}) state.push_back(static_cast<uint64_t>(context.float32Precision(backend, op)));
  }
  return state;
}

void StepGraph::drop_gradients() {
  for (const auto& parameter : parameters_) parameter.mutable_grad().reset();
}

void StepGraph::drop_capture() {
  captured_.reset();
  batch_.clear();
  results_.clear();
  gradients_.clear();
  restore_ = nullptr;
}

}  // namespace siam::engine
