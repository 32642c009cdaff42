#include "script_backbone.h"

#include <ATen/autocast_mode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <cmath>
#include <cstdio>
#include <mutex>

#include "../base/error.h"
#include "dispatch.h"
#include "random.h"
#include "script_file.h"

namespace siam::core {

namespace jit = torch::jit;

struct ScriptBackbone::Script {
  jit::Module module;
};

namespace {

/// Autocast for one call; also switches it off where the mode is float32.
class AutocastScope {
 public:
  AutocastScope(at::DeviceType device, at::ScalarType dtype)
      : device_(device), was_on_(at::autocast::is_autocast_enabled(device)), was_dtype_(at::autocast::get_autocast_dtype(device)) {
    at::autocast::set_autocast_enabled(device_, dtype != at::kFloat);
    if (dtype != at::kFloat) at::autocast::set_autocast_dtype(device_, dtype);
    at::autocast::increment_nesting();
  }
  ~AutocastScope() {
    // The cast weights belong to this call's graph; the next step must not see them.
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, was_on_);
    at::autocast::set_autocast_dtype(device_, was_dtype_);
  }
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  at::DeviceType device_;
  bool was_on_;
  at::ScalarType was_dtype_;
};

std::string shape_text(const at::Tensor& tensor) { return describe(tensor).substr(0, describe(tensor).rfind(" on ")); }

std::string square(int64_t size) { return std::to_string(size) + "x" + std::to_string(size); }

}  // namespace

ScriptBackbone::ScriptBackbone(const BackboneOptions& options) : options_(options), script_(new Script{load_script_module(options.path, options.device)}) {
  draws_random_ = draws_random_numbers(script_->module);
  const at::Tensor features = probe(2, options_.z_size);
  width_ = features.size(1);
  template_size_ = features.size(2);
  train(is_training());  // the probe left evaluation mode behind, and the file may have been saved in either
}

ScriptBackbone::~ScriptBackbone() = default;

void ScriptBackbone::fail(const char* code, const std::string& message) const { throw SiamException(code, "TorchScript backbone: " + message, options_.path); }

void ScriptBackbone::train(bool on) {
  Backbone::train(on);
  set_script_training(script_->module, on);
}

at::Tensor ScriptBackbone::run(const at::Tensor& x) {
  const jit::GraphOptimizerEnabledGuard no_optimizer(false);
  const AutocastScope autocast(x.device().type(), options_.mode.dtype);
  c10::IValue result;
  try {
    result = script_->module.forward({x});
  } catch (const std::exception& error) {
    const ScriptFailure failure = describe_script_failure(error);
    fail(failure.no_memory ? "ERR_DEVICE_OOM" : "ERR_TORCH", "forward() failed on " + shape_text(x) + ": " + failure.text);
  }
  if (!result.isTensor()) fail("ERR_SHAPE", "expected forward() to return one tensor [N,C,H,W] but received " + result.type()->annotation_str());
  at::Tensor y = result.toTensor();
  if (!y.defined() || y.dim() != 4 || y.size(0) != x.size(0) || y.layout() != at::kStrided || !at::isFloatingType(y.scalar_type())) {
    fail("ERR_SHAPE", "expected forward() of " + shape_text(x) + " to return Float[" + std::to_string(x.size(0)) + ",C,H,W] but received " +
                          (y.defined() ? shape_text(y) : "an undefined tensor"));
  }
  return y;
}

at::Tensor ScriptBackbone::probe(int64_t batch, int64_t size) {
  const c10::NoGradGuard no_grad;
  set_script_training(script_->module, false);
  std::vector<StateEntry> entries;
  collect_state("", entries);
  std::vector<at::Tensor> before;
  for (const auto& entry : entries) before.push_back(entry.is_parameter ? at::Tensor() : entry.tensor.clone());

  const at::Tensor image = at::full({batch, 3, size, size}, 128, at::TensorOptions().dtype(at::kFloat).device(options_.device));
  const auto version = image._version();
  const at::Tensor y = run(image);
  writes_input_ = writes_input_ || image._version() != version;

  std::vector<StateEntry> after;
  collect_state("", after);
  for (size_t i = 0; i < before.size(); i++) {
    if (!before[i].defined() || (after[i].tensor.sizes() == before[i].sizes() && at::equal(after[i].tensor, before[i]))) continue;
    fail("ERR_CHECKPOINT", "forward() changes the buffer '" + entries[i].name +
                               "' in evaluation mode, so tracking would change the weights; a module traced in training mode does so: export it with torch.jit.script");
  }
  if (y.size(2) != y.size(3)) fail("ERR_SHAPE", "expected square features of a square image of " + square(size) + " but received " + shape_text(y));
  return y;
}

void ScriptBackbone::check_sizes(const DenseboxHeadOptions& head) {
  const int64_t z = template_size_, x = probe(1, head.x_size).size(2);
  train(is_training());
  const int64_t score = x - z + 1 - 2 * head.num_conv3x3;  // the correlation, then 3×3 convolutions that take two cells each
  const std::string maps = "its features are " + square(z) + " for a template of " + square(options_.z_size) + " and " + square(x) + " for a search image of " + square(head.x_size);
  if (z < 3) fail("ERR_SHAPE", "expected features of at least 3x3 for the template, but " + maps);  // the adjustment convolutions are 3×3
  // The sizes need not be whole strides apart; half a pixel leaves room for that, and no other whole stride fits.
  const double stride = x > z ? static_cast<double>(head.x_size - options_.z_size) / static_cast<double>(x - z) : 0;
  if (std::abs(stride - static_cast<double>(head.total_stride)) > 0.5) {
    char made[32];
    std::snprintf(made, sizeof made, ", a stride of %.1f", stride);
    fail("ERR_SHAPE", "expected a total stride of " + std::to_string(head.total_stride) + " (total_stride), but " + maps + (x > z ? made : ""));
  }
  if (score == head.score_size || head.input_size_adapt) return;
  fail("ERR_SHAPE", "expected a score map of " + square(head.score_size) + " (score_size), but " + maps + ", which make one of " + square(score));
}

at::Tensor ScriptBackbone::forward(const at::Tensor& x) {
  // Images in bfloat16 are whole numbers up to 255 and exact. channels_last: see the class.
  at::Tensor image = x.to(at::kFloat);
  image = image.contiguous(x.device().is_cpu() ? at::MemoryFormat::Contiguous : options_.mode.format);
  if (writes_input_ && image.is_alias_of(x)) image = image.clone();
  std::unique_lock<std::mutex> alone(default_generator_mutex(), std::defer_lock);
  if (draws_random_) alone.lock();
  const at::Tensor y = run(image);
  if (y.size(1) != width_) fail("ERR_SHAPE", "expected features of " + std::to_string(width_) + " channels, as at the start, but received " + shape_text(y));
  return y.to(options_.mode.dtype).contiguous(options_.mode.format);
}

void ScriptBackbone::collect_state(const std::string& prefix, std::vector<StateEntry>& entries) const { collect_script_state(script_->module, prefix, entries); }

}  // namespace siam::core
