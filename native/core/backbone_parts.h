// What the backbones with padded convolutions share.
#pragma once

#include <ATen/ATen.h>

namespace siam::core {

/// @param image [N,3,H,W] BGR, uint8 or float32     @returns a copy as RGB, float32
at::Tensor rgb_float(const at::Tensor& image);

/// Cuts `pad` cells off each side: those that the convolutions' padding has reached tell a place's distance from the border, and the
/// correlation would find that rather than the target.
/// @param x [N,C,H,W]     @param name  of the backbone, for the error
/// @returns a view [N,C,H-2·pad,W-2·pad]     @throws ERR_SHAPE when nothing would be left
at::Tensor crop_border(const at::Tensor& x, int64_t pad, const char* name);

}  // namespace siam::core
