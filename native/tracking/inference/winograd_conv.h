// A convolution by Winograd's minimal filtering, in float32 or in 16-bit words (core/kernels/winograd.h).
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "folded_conv.h"

namespace siam::tracking::inference {

class WinogradConv {
 public:
  /// Nothing where the processor, the sizes or the little work of the convolution do not ask for it.
  static std::optional<WinogradConv> make(const FoldedConv& conv, bool words);

  /// @param x [N,C,H,W] float32     @returns [N,O,H',W'] float32
  at::Tensor run(const at::Tensor& x) const;

 private:
  WinogradConv(const FoldedConv& conv, bool words);

  bool words_, relu_;
  int64_t inputs_, outputs_, side_, pad_;
  at::Tensor packed_, scales_, bias_;
};

}  // namespace siam::tracking::inference
