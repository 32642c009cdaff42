// The first convolution in 16-bit words, of an image that holds whole numbers (core/kernels/entry_conv.h).
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "folded_conv.h"

namespace siam::tracking::inference {

class EntryConv {
 public:
  /// Nothing where the processor or the sizes do not allow it. A padded one is none: its image is no whole numbers (backbone_shufflenet.cc).
  static std::optional<EntryConv> make(const FoldedConv& conv);

  /// @param x [N,3,H,W] float32, whole numbers from 0 to 255     @returns [N,O,H',W'] float32
  at::Tensor run(const at::Tensor& x) const;

 private:
  explicit EntryConv(const FoldedConv& conv);

  bool relu_;
  int64_t outputs_, side_, stride_;
  at::Tensor packed_, scales_, bias_;
};

}  // namespace siam::tracking::inference
