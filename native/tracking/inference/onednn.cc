#include "onednn.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <string>

namespace siam::tracking::inference::onednn {

namespace {

using torch::jit::Stack;

c10::OperatorHandle operation(const char* name) { return c10::Dispatcher::singleton().findSchemaOrThrow(name, ""); }

at::Tensor call(const c10::OperatorHandle& op, Stack stack) {
  op.callBoxed(&stack);
  return std::move(stack.front()).toTensor();
}

c10::List<int64_t> both(int64_t value) { return c10::List<int64_t>({value, value}); }
c10::List<int64_t> padding_of(const ConvOptions& options) { return c10::List<int64_t>({options.padding[0], options.padding[1]}); }
c10::IValue nothing() { return c10::List<std::optional<at::Scalar>>(); }
const char* end_of(const ConvOptions& options) { return options.relu ? "relu" : "none"; }

}  // namespace

bool available() { return at::globalContext().hasMKLDNN(); }

bool fast_bf16() {
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
  if (__builtin_cpu_supports("amx-tile")) return true;
  return __builtin_cpu_is("amd") && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

at::Tensor pack(const at::Tensor& weight, const ConvOptions& options) {
  static const auto op = operation("mkldnn::_reorder_convolution_weight");
  return call(op, {weight.contiguous(at::MemoryFormat::ChannelsLast), padding_of(options), both(options.stride), both(1), options.groups, c10::IValue()});
}

at::Tensor run(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& bias, const ConvOptions& options) {
  static const auto op = operation("mkldnn::_convolution_pointwise");
  return call(op, {x.contiguous(at::MemoryFormat::ChannelsLast), packed, bias, padding_of(options), both(options.stride), both(1), options.groups, end_of(options), nothing(), ""});
}

namespace {

ByteWeights packed_bytes(const FoldedConv& conv, int32_t zero, double most) {
  static const auto op = operation("onednn::qconv_prepack");
  ByteWeights made;
  made.zero = zero;
  made.scales = conv.weight.abs().amax({1, 2, 3}).div(most).clamp_min(1e-12);
  made.zeros = at::zeros({conv.weight.size(0)}, at::kInt);
  const at::Tensor scales = made.scales.view({-1, 1, 1, 1});
  const at::Tensor rounded = (conv.weight / scales).round().clamp(-most, most);
  made.sums = (rounded * scales).sum({1, 2, 3});
  const auto& o = conv.options;
  made.packed = call(op, {rounded.to(at::kChar), made.scales, 1.0, static_cast<int64_t>(zero), both(o.stride), padding_of(o), both(1), o.groups, c10::IValue()});
  return made;
}

/// Whether sums of the largest bytes there are come out right.
bool exact_bytes() {
  constexpr int64_t kChannels = 64, kSide = 3;
  constexpr int kMost = 127, kPixel = 255;
  ConvOptions options;
  options.relu = false;
  const FoldedConv conv{at::ones({kChannels, kChannels, kSide, kSide}), at::zeros({kChannels}), options};
  const Activation x{at::full({1, kChannels, kSide, kSide}, kPixel, at::kByte), {1, 0}};
  const at::Tensor sums = run_bytes(x, packed_bytes(conv, 0, kMost), conv.bias, options, std::nullopt);
  const double right = static_cast<double>(kPixel * kChannels * kSide * kSide);
  return (sums.to(at::kDouble) - right).abs().max().item<double>() < 1e-3 * right;
}

}  // namespace

int weight_byte() {
  static const int most = exact_bytes() ? 127 : 64;
  return most;
}

ByteWeights pack_bytes(const FoldedConv& conv, int32_t zero) { return packed_bytes(conv, zero, weight_byte()); }

at::Tensor run_bytes(const Activation& x, const ByteWeights& weights, const at::Tensor& bias, const ConvOptions& options, const std::optional<ByteScale>& out) {
  static const auto op = operation("onednn::qconv_pointwise");
  const ByteScale to = out.value_or(ByteScale{1, 0});
  return call(op, {x.values.contiguous(at::MemoryFormat::ChannelsLast), static_cast<double>(x.bytes.scale), static_cast<int64_t>(weights.zero), weights.packed, weights.scales, weights.zeros, bias,
                   both(options.stride), padding_of(options), both(1), options.groups, static_cast<double>(to.scale), static_cast<int64_t>(to.zero), out ? at::kByte : at::kFloat,
                   end_of(options), nothing(), ""});
}

}  // namespace siam::tracking::inference::onednn
