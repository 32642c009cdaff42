// What goes from layer to layer, interleaved (channels_last): float32 or bytes on the CPU; float32 or 16 bits by libtorch's operators.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "../../core/kernels/activations.h"

namespace siam::tracking::inference {

using kernels::ByteScale;

/// Values [N,C,H,W]; bytes q stand for scale · (q − zero).
struct Activation {
  at::Tensor values;
  ByteScale bytes{1, 0};
};

/// How a network is gone through.
enum class Pass {
  kRun,      ///< as it was built for
  kFloat,    ///< float32 throughout
  kObserve,  ///< kFloat, and every range is widened by what is seen
};

/// The range that bytes stand for; activations that are joined share one.
struct Range {
  float low = 0, high = 0;

  ByteScale bytes() const;
};

bool is_bytes(const Activation& x);
/// [N,3,H,W] uint8 → float32 less an offset of each channel, its channels in the opposite order with `swap`.
Activation image_to_float(const at::Tensor& image, const float offsets[3], bool swap);
/// [N,3,H,W] uint8 less `offsets` [1,3,1,1] float32, by libtorch's operators: on any device, of any type.
Activation image_to(at::ScalarType type, const at::Tensor& image, const at::Tensor& offsets);
/// 3×3 maximum. @param ceil  windows that only begin inside count, too
Activation max_pool(const Activation& x, int64_t stride, int64_t pad, bool ceil);
/// 3×3 mean, stride 1, with a border of zeros that counts.
Activation mean_pool(const Activation& x);
/// Along the channels; bytes must have one scale.
Activation joined(const std::vector<Activation>& parts);
at::Tensor to_float(const Activation& x);
Activation to_bytes(const at::Tensor& x, ByteScale as);
void widen(Range& range, const at::Tensor& x);

/// Turns float32 into bytes at a place whose range it has seen.
class Quantizer {
 public:
  /// @param on  whether Pass::kRun makes bytes
  explicit Quantizer(bool on) : on_(on) {}
  Activation run(const Activation& x, Pass pass);
  Range& range() { return range_; }

 private:
  bool on_;
  Range range_;
};

}  // namespace siam::tracking::inference
