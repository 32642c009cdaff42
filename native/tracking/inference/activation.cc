#include "activation.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>

namespace siam::tracking::inference {

namespace {

constexpr int64_t kGrain = 16384;
constexpr int64_t kWindow = 3;

at::Tensor interleaved(const at::Tensor& x) { return x.contiguous(at::MemoryFormat::ChannelsLast); }

at::Tensor empty_like(const at::Tensor& x, int64_t height, int64_t width, at::ScalarType dtype) {
  return at::empty({x.size(0), x.size(1), height, width}, x.options().dtype(dtype).memory_format(at::MemoryFormat::ChannelsLast));
}

/// Whether our own kernels take it.
bool is_ours(const at::Tensor& x) { return x.device().is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kByte); }

template <class T>
const T* read(const at::Tensor& x) {
  return static_cast<const T*>(x.const_data_ptr());
}

template <class T>
T* write(const at::Tensor& x) {
  return static_cast<T*>(x.data_ptr());
}

}  // namespace

bool is_bytes(const Activation& x) { return x.values.scalar_type() == at::kByte; }

ByteScale Range::bytes() const {
  constexpr float kMost = 255;
  const float width = high - low;
  if (!(width > 0) || !std::isfinite(width)) return {1, 0};
  const float scale = width / kMost;
  return {scale, static_cast<int32_t>(std::nearbyint(-low / scale))};
}

Activation image_to_float(const at::Tensor& image, const float offsets[3], bool swap) {
  const at::Tensor x = interleaved(image);
  const at::Tensor out = empty_like(x, x.size(2), x.size(3), at::kFloat);
  at::parallel_for(0, x.numel() / 3, kGrain, [&](int64_t begin, int64_t end) { kernels::image_to_float(read<uint8_t>(x), write<float>(out), offsets, swap, begin, end); });
  return {out, {}};
}

Activation image_to(at::ScalarType type, const at::Tensor& image, const at::Tensor& offsets) { return {at::sub(interleaved(image), offsets).to(type), {}}; }

Activation max_pool(const Activation& from, int64_t stride, int64_t pad, bool ceil) {
  if (!is_ours(from.values)) return {at::max_pool2d(from.values, {kWindow, kWindow}, {stride, stride}, {pad, pad}, {1, 1}, ceil), {}};
  const at::Tensor x = interleaved(from.values);
  const auto size = [&](int64_t in) {
    const int64_t room = in + 2 * pad - kWindow;
    const int64_t out = (ceil ? (room + stride - 1) / stride : room / stride) + 1;
    return ceil && (out - 1) * stride >= in + pad ? out - 1 : out;  // a window must begin inside
  };
  const kernels::PoolSizes sizes{x.size(2), x.size(3), x.size(1), size(x.size(2)), size(x.size(3)), stride, pad};
  const at::Tensor out = empty_like(x, sizes.OH, sizes.OW, x.scalar_type());
  at::parallel_for(0, x.size(0) * sizes.OH, 2, [&](int64_t begin, int64_t end) {
    if (x.scalar_type() == at::kByte) return kernels::max_pool_rows(read<uint8_t>(x), write<uint8_t>(out), sizes, begin, end);
    kernels::max_pool_rows(read<float>(x), write<float>(out), sizes, begin, end);
  });
  return {out, from.bytes};
}

Activation mean_pool(const Activation& from) {
  if (!is_ours(from.values)) return {at::avg_pool2d(from.values, {kWindow, kWindow}, {1, 1}, {1, 1}, /*ceil_mode=*/false, /*count_include_pad=*/true), {}};
  const at::Tensor x = interleaved(from.values);
  const kernels::PoolSizes sizes{x.size(2), x.size(3), x.size(1), x.size(2), x.size(3), 1, 1};
  const at::Tensor out = empty_like(x, sizes.OH, sizes.OW, x.scalar_type());
  at::parallel_for(0, x.size(0) * sizes.OH, 2, [&](int64_t begin, int64_t end) {
    if (x.scalar_type() == at::kByte) return kernels::mean_pool_rows(read<uint8_t>(x), write<uint8_t>(out), sizes, begin, end);
    kernels::mean_pool_rows(read<float>(x), write<float>(out), sizes, begin, end);
  });
  return {out, from.bytes};
}

Activation joined(const std::vector<Activation>& parts) {
  std::vector<at::Tensor> tensors;
  for (const auto& part : parts) tensors.push_back(part.values);
  return {at::cat(tensors, 1), parts.front().bytes};
}

at::Tensor to_float(const Activation& x) {
  if (!is_bytes(x)) return x.values;
  const at::Tensor from = interleaved(x.values);
  const at::Tensor out = empty_like(from, from.size(2), from.size(3), at::kFloat);
  at::parallel_for(0, from.numel(), kGrain, [&](int64_t begin, int64_t end) { kernels::from_bytes(read<uint8_t>(from), write<float>(out), x.bytes, begin, end); });
  return out;
}

Activation to_bytes(const at::Tensor& x, ByteScale as) {
  const at::Tensor from = interleaved(x);
  const at::Tensor out = empty_like(from, from.size(2), from.size(3), at::kByte);
  at::parallel_for(0, from.numel(), kGrain, [&](int64_t begin, int64_t end) { kernels::to_bytes(read<float>(from), write<uint8_t>(out), as, begin, end); });
  return {out, as};
}

void widen(Range& range, const at::Tensor& x) {
  const at::Tensor values = interleaved(x);
  kernels::widen_range(read<float>(values), 0, values.numel(), range.low, range.high);
}

Activation Quantizer::run(const Activation& x, Pass pass) {
  if (pass == Pass::kObserve) widen(range_, x.values);
  return on_ && pass == Pass::kRun && !is_bytes(x) ? to_bytes(x.values, range_.bytes()) : x;
}

}  // namespace siam::tracking::inference
