// Convolutions as they run once training is over: BatchNorm folded into weight and bias.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <map>
#include <string>
#include <vector>

#include "../../core/state_entry.h"

namespace siam::tracking::inference {

struct ConvOptions {
  int64_t stride = 1;
  std::array<int64_t, 2> padding{0, 0};  ///< rows, columns
  int64_t groups = 1;
  bool relu = true;
  double eps = 1e-5;  ///< of the BatchNorm
};

/// y = relu?(weight ∗ x + bias)
struct FoldedConv {
  at::Tensor weight;  ///< [O,I/groups,h,w] float32, contiguous
  at::Tensor bias;    ///< [O] float32
  ConvOptions options;
  at::Device device = at::kCPU;  ///< where it is to run; weight and bias are on the CPU
};

/// The state of a model by name.
class WeightTable {
 public:
  /// @param entries  on the CPU     @param device  where the network runs
  explicit WeightTable(const std::vector<core::StateEntry>& entries, at::Device device = at::kCPU);

  /// The convolution `conv` with the BatchNorm `bn` folded in, in float64; without a `bn` of that name as it is.
  FoldedConv fold(const std::string& conv, const std::string& bn, const ConvOptions& options) const;
  /// fold() of `name`.conv and `name`.bn.
  FoldedConv fold(const std::string& name, const ConvOptions& options) const { return fold(name + ".conv", name + ".bn", options); }
  /// A parameter of one value.
  float number(const std::string& name) const;
  /// Whether all that was folded is finite, and far from the largest numbers: weights that are may give a scale that is not (a variance below zero).
  bool folded_finite() const { return finite_; }
  at::Device device() const { return device_; }
  /// Outputs of a convolution's weight.
  int64_t width(const std::string& name) const;

 private:
  const at::Tensor& find(const std::string& name) const;
  at::Tensor get(const std::string& name) const;  ///< float64, contiguous

  std::map<std::string, at::Tensor> tensors_;
  at::Device device_;
  mutable bool finite_ = true;
};

/// The same, copied from another device where they are on one.
std::vector<core::StateEntry> on_cpu(std::vector<core::StateEntry> entries);
/// A number that changes when any weight does: which weights a network was folded from. @param entries  on the CPU
uint64_t fingerprint(const std::vector<core::StateEntry>& entries);
bool all_finite(const std::vector<core::StateEntry>& entries);

}  // namespace siam::tracking::inference
