#pragma once

#include <ATen/ATen.h>

#include "sgd.h"

namespace siam::core {

/// Scales all gradients of an optimizer so that their total L2 norm is at most `max_norm`: g *= min(1, max_norm / (norm + 1e-6)).
/// Nothing waits for a device: the factor stays there.
/// @returns the norm before, a scalar; 0 where there is no gradient at all
/// Source: torch.nn.utils.clip_grad_norm_ (error_if_nonfinite=False); parity: test/native/clip. Thread: engine.
at::Tensor clip_grad_norm(Sgd& optimizer, double max_norm);

/// Limits every element of the gradients to [-max_value, max_value].
/// Source: torch.nn.utils.clip_grad_value_; parity: test/native/clip. Thread: engine.
void clip_grad_value(Sgd& optimizer, double max_value);

}  // namespace siam::core
