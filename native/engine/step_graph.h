// A training step, from the batch to the complete gradients, as one CUDA graph.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "cuda_extension.h"

namespace siam::engine {

/// Captures what is given to the device between begin() and end(), and repeats it for other batches.
///
/// Gradients: they are dropped before the capture, so that backward allocates them in the graph's memory and each replay writes them anew. They
/// are put back into the parameters after each replay, because a step before it dropped them (zero_grad).
/// A graph fits as long as all that it read stays where it was: parameters, which of them are trained, what `watched` names, and libtorch's
/// switches. Otherwise it would go on with what was captured, whatever the user set since.
/// Thread: engine.
class StepGraph {
 public:
  using State = std::vector<uint64_t>;
  using Restore = std::function<void()>;

  /// @param parameters  that the optimizer steps     @param watched  more numbers whose change makes the graph unfit: addresses, switches
  /// @param remember  asked after the capture for what the host holds of a step besides gradients: what it returns puts that back after each
  ///   replay, in which nothing of the host's own part runs
  StepGraph(std::unique_ptr<CudaGraph> graph, std::vector<at::Tensor> parameters, std::function<State()> watched, std::function<Restore()> remember = {});
  ~StepGraph();
  StepGraph(const StepGraph&) = delete;
  StepGraph& operator=(const StepGraph&) = delete;

  /// Drops an older capture and begins one. @returns copies of the batch, from which the step must be computed
  std::vector<at::Tensor> begin(const std::vector<at::Tensor>& batch);

  /// @param results  of the step: what replay() returns the values of     @throws c10::Error when something was done that cannot be captured
  void end(const std::vector<at::Tensor>& results);

  /// Ends a capture of which something failed, and drops the gradients that it left: their memory was never written.
  void abandon() noexcept;

  /// Whether replay() can compute this batch's step.
  bool fits(const std::vector<at::Tensor>& batch) const;

  /// The step of a batch that fits. Gradients are complete then, once the device is there. @returns this step's results, in the order of end()
  std::vector<at::Tensor> replay(const std::vector<at::Tensor>& batch);

 private:
  State state() const;
  void drop_gradients();
  void drop_capture();

  const std::vector<at::Tensor> parameters_;
  const std::function<State()> watched_;
  const std::function<Restore()> remember_;
  std::vector<at::Tensor> batch_;  ///< what the captured step reads
  std::vector<at::Tensor> results_;
  std::vector<std::pair<at::Tensor, at::Tensor>> gradients_;  ///< parameter, its gradient
  Restore restore_;
  std::optional<State> captured_;  ///< the state at the capture; none: there is no capture
  std::unique_ptr<CudaGraph> graph_;  // last member, so that it goes first: the tensors above lie in its memory, which outlives it as long as they do
};

}  // namespace siam::engine
