#include "buffer_stash.h"

#include <c10/core/GradMode.h>

namespace siam::core {

void BufferStash::take() {
  taken_ = buffers_->training();
  if (!taken_) return;
  c10::NoGradGuard no_grad;
  loads_ = buffers_->loads();
  const at::Tensor& flat = buffers_->flat();
  if (!flat_.defined()) flat_ = at::empty_like(flat);
  flat_.copy_(flat, /*non_blocking=*/true);
  script_.clear();
  for (const auto& entry : buffers_->script()) script_[entry.name] = entry.tensor.detach().clone();
}

bool BufferStash::holds() const { return taken_ && loads_ == buffers_->loads(); }

void BufferStash::put_back() {
  if (!holds()) return;
  c10::NoGradGuard no_grad;
  buffers_->flat().copy_(flat_);
  for (auto& entry : buffers_->script()) {
    const auto found = script_.find(entry.name);
    if (found == script_.end()) continue;
    if (entry.tensor.sizes() == found->second.sizes()) {
      entry.tensor.copy_(found->second);
    } else {
      entry.tensor.set_data(found->second.clone());
    }
  }
}

void BufferStash::put_back_where(const at::Tensor& skipped) {
  if (!holds()) return;
  c10::NoGradGuard no_grad;
  at::Tensor& flat = buffers_->flat();
  if (flat.numel() > 0) at::where_out(flat, skipped, flat_, flat);
  for (auto& entry : buffers_->script()) {
    const auto found = script_.find(entry.name);
    // A buffer that took another shape cannot be put back without knowing whether it must be; no BatchNorm's does.
    if (found == script_.end() || entry.tensor.sizes() != found->second.sizes()) continue;
    entry.tensor.copy_(at::where(skipped, found->second, entry.tensor.detach()), /*non_blocking=*/true);
  }
}

}  // namespace siam::core
