// One convolution of a folded network, in the arithmetic that it was built for.
#pragma once

#include <memory>
#include <optional>

#include "activation.h"
#include "entry_conv.h"
#include "folded_conv.h"
#include "onednn.h"
#include "torch_conv.h"
#include "winograd_conv.h"

namespace siam::tracking::inference {

enum class Arithmetic {
  kFloat,  ///< float32
  k16,     ///< 16-bit products (words or bfloat16) where they are faster; float32 between layers
  k8,      ///< 8-bit products of bytes
  // By libtorch's operators, on the device that the weights are on, with activations of one type:
  kTorchFloat,
  kTorchBf16,
  kTorchHalf,
};

/// What libtorch's operators compute in; none where the kernels are our own, on the CPU.
std::optional<at::ScalarType> torch_type(Arithmetic arithmetic);

class ConvLayer {
 public:
  /// What an 8-bit layer gives.
  enum class Gives { kBytes, kFloat };

  ConvLayer(FoldedConv conv, Arithmetic arithmetic, Gives gives = Gives::kBytes);

  /// @param x  bytes in Pass::kRun of an 8-bit layer, of torch_type() where there is one, else float32
  Activation run(const Activation& x, Pass pass);
  /// The range of the output's bytes, which layers whose outputs are joined must share. Its values are forgotten with *range = {}.
  void set_range(std::shared_ptr<Range> range) { range_ = std::move(range); }
  Range& range() { return *range_; }

 private:
  at::Tensor run_float(const at::Tensor& x) const;
  Activation run_bytes(const Activation& x);

  FoldedConv conv_;
  Arithmetic arithmetic_;
  Gives gives_;
  std::shared_ptr<Range> range_ = std::make_shared<Range>();
  std::optional<TorchConv> torch_;
  std::optional<WinogradConv> winograd_;
  std::optional<EntryConv> entry_;
  at::Tensor packed_, bias_;  ///< for oneDNN, in its dtype
  std::optional<onednn::ByteWeights> bytes_;
  std::optional<ByteScale> bias_for_;  ///< scale of the image that byte_bias_ is for
  at::Tensor byte_bias_;
};

}  // namespace siam::tracking::inference
