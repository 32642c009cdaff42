#include "flat_buffers.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace siam::core {

namespace {

constexpr int64_t kWord = 8, kAlign = 64;

int64_t words_of(const at::Tensor& buffer) {
  const int64_t bytes = static_cast<int64_t>(buffer.nbytes());
  return (bytes + kAlign - 1) / kAlign * (kAlign / kWord);
}

}  // namespace

at::Tensor flatten_buffers(const std::vector<StateEntry>& entries) {
  c10::NoGradGuard no_grad;
  std::vector<at::Tensor> buffers;
  int64_t words = 0;
  for (const auto& entry : entries) {
    if (entry.is_parameter) continue;
    buffers.push_back(entry.tensor);
    words += words_of(entry.tensor);
  }
  const at::Device device = buffers.empty() ? at::Device(at::kCPU) : buffers[0].device();
  const at::Tensor flat = at::zeros({words}, at::TensorOptions().dtype(at::kLong).device(device));
  int64_t begin = 0;
  for (at::Tensor& buffer : buffers) {
    const int64_t taken = words_of(buffer);
    const at::Tensor part = flat.narrow(0, begin, taken).view(buffer.scalar_type()).narrow(0, 0, buffer.numel()).view(buffer.sizes());
    part.copy_(buffer);
    // Not the view itself: with set_data() the buffer keeps its identity and a version counter of its own. One that all buffers shared
    // would tell autograd that running statistics changed whenever num_batches_tracked did.
    buffer.set_data(part);
    begin += taken;
  }
  return flat;
}

namespace {

bool of_backbone(const StateEntry& entry) { return entry.name.rfind("basemodel.", 0) == 0; }

}  // namespace

ModelBuffers::ModelBuffers(SiamTrack model) : model_(std::move(model)), scripted_(model_->options().backbone.name == "TorchScript") {
  std::vector<StateEntry> own;
  for (auto& entry : model_->state_entries()) {
    if (!(scripted_ && of_backbone(entry))) own.push_back(std::move(entry));
  }
  flat_ = flatten_buffers(own);
}

std::vector<StateEntry> ModelBuffers::script() const {
  std::vector<StateEntry> buffers;
  if (!scripted_) return buffers;
  for (auto& entry : model_->state_entries()) {
    if (of_backbone(entry) && !entry.is_parameter && entry.alias_of.empty()) buffers.push_back(std::move(entry));
  }
  return buffers;
}

}  // namespace siam::core
