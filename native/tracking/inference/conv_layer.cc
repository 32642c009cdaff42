#include "conv_layer.h"

#include <ATen/ATen.h>

#include <utility>

namespace siam::tracking::inference {

std::optional<at::ScalarType> torch_type(Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::kTorchFloat: return at::kFloat;
    case Arithmetic::kTorchBf16: return at::kBFloat16;
    case Arithmetic::kTorchHalf: return at::kHalf;
    default: return std::nullopt;
  }
}

ConvLayer::ConvLayer(FoldedConv conv, Arithmetic arithmetic, Gives gives) : conv_(std::move(conv)), arithmetic_(arithmetic), gives_(gives) {
  if (const auto type = torch_type(arithmetic)) {
    torch_.emplace(std::move(conv_), *type);
    return;
  }
  if (arithmetic == Arithmetic::k8) {
    // Its float32 passes are few: the weights are not packed for them.
    conv_.weight = conv_.weight.contiguous(at::MemoryFormat::ChannelsLast);
    return;
  }
  winograd_ = WinogradConv::make(conv_, arithmetic == Arithmetic::k16);
  if (arithmetic == Arithmetic::k16) entry_ = EntryConv::make(conv_);
  if (!winograd_ && !entry_ && onednn::available()) {
    const auto dtype = arithmetic == Arithmetic::k16 && onednn::fast_bf16() ? at::kBFloat16 : at::kFloat;
    packed_ = onednn::pack(conv_.weight.to(dtype), conv_.options);
    bias_ = conv_.bias.to(dtype);
  }
  if (winograd_ || entry_ || packed_.defined()) conv_.weight.reset();
}

Activation ConvLayer::run(const Activation& x, Pass pass) {
  if (torch_) return {torch_->run(x.values), {}};
  if (arithmetic_ == Arithmetic::k8 && pass == Pass::kRun) return run_bytes(x);
  const at::Tensor out = run_float(x.values);
  if (pass == Pass::kObserve) widen(*range_, out);
  return {out, {}};
}

at::Tensor ConvLayer::run_float(const at::Tensor& x) const {
  if (winograd_) return winograd_->run(x);
  if (entry_) return entry_->run(x);
  if (packed_.defined()) return onednn::run(x.to(bias_.scalar_type()), packed_, bias_, conv_.options).to(at::kFloat);
  const auto& o = conv_.options;
  const std::array<int64_t, 2> stride{o.stride, o.stride}, dilation{1, 1};
  const at::Tensor y = at::conv2d(x, conv_.weight, conv_.bias, at::IntArrayRef(stride), at::IntArrayRef(o.padding), at::IntArrayRef(dilation), o.groups);
  return o.relu ? at::relu(y) : y;
}

Activation ConvLayer::run_bytes(const Activation& x) {
  // Without padding every output sees the whole kernel: the image's zero is then a constant of each output, and oneDNN's products need not
  // compensate for it (half as fast).
  const bool padded = conv_.options.padding[0] > 0 || conv_.options.padding[1] > 0;
  const int32_t zero = padded ? x.bytes.zero : 0;
  if (!bytes_ || bytes_->zero != zero) bytes_ = onednn::pack_bytes(conv_, zero);
  if (!bias_for_ || bias_for_->scale != x.bytes.scale || bias_for_->zero != x.bytes.zero) {
    const double shift = static_cast<double>(x.bytes.scale) * (x.bytes.zero - zero);
    byte_bias_ = conv_.bias - bytes_->sums * shift;
    bias_for_ = x.bytes;
  }
  const auto out = gives_ == Gives::kBytes ? std::optional<ByteScale>(range_->bytes()) : std::nullopt;
  return {onednn::run_bytes(x, *bytes_, byte_bias_, conv_.options, out), out.value_or(ByteScale{1, 0})};
}

}  // namespace siam::tracking::inference
