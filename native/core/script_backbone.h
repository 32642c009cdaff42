#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backbone.h"
#include "densebox_head.h"
#include "state_entry.h"

namespace siam::core {

/// A user's own backbone: the TorchScript module of a file in place of a built-in one.
///
/// Its operations run one by one with autograd, as in Python: the JIT's profiling executor would rewrite the graph after the first runs (they
/// would be slow, and their numbers not those of later ones). On the CPU it gets and keeps contiguous tensors whatever the memory format of
/// the other layers is, because torch's BatchNorm is inaccurate there for channels_last; with bfloat16 it runs under autocast.
/// docs/torchscript-backbone.md says what a module must be. Thread: engine.
class ScriptBackbone : public Backbone {
 public:
  /// Loads the file onto options.device and runs it on a template.
  /// @throws ERR_IO when the file cannot be read, ERR_CHECKPOINT when it holds no usable TorchScript module, ERR_SHAPE when its output is no
  ///   [N,C,H,W] of floats, ERR_TORCH when forward() fails; each names the file
  explicit ScriptBackbone(const BackboneOptions& options);
  ~ScriptBackbone() override;

  /// @throws ERR_TORCH when the script raises, ERR_SHAPE when its output is no [N,width(),H,W] of floats
  at::Tensor forward(const at::Tensor& x) override;
  int64_t width() const override { return width_; }
  void train(bool on = true) override;

  /// Runs the module on a search image and compares with what the head expects.
  /// @throws ERR_SHAPE naming both feature maps, the stride that they make and what was expected
  void check_sizes(const DenseboxHeadOptions& head);

  /// Appends the module's parameters, buffers and children, as Python's state_dict() orders them.
  void collect_state(const std::string& prefix, std::vector<StateEntry>& entries) const;

 private:
  struct Script;  // torch's JIT headers stay in one translation unit
  at::Tensor run(const at::Tensor& x);
  at::Tensor probe(int64_t batch, int64_t size);
  [[noreturn]] void fail(const char* code, const std::string& message) const;

  BackboneOptions options_;
  std::unique_ptr<Script> script_;
  int64_t width_ = 0, template_size_ = 0;
  bool writes_input_ = false, draws_random_ = false;
};

}  // namespace siam::core
