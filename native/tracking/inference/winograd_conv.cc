#include "winograd_conv.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "../../core/kernels/winograd.h"

namespace siam::tracking::inference {

namespace {

using kernels::kWinogradBlock;
using kernels::kWinogradPoints;

/// Tiles that are gone through together: their transforms should stay in the second-level cache, and every chunk reads all weights.
constexpr int64_t kChunk = 128;
/// Below this many channel pairs the transforms cost what the products save.
constexpr int64_t kLeastWordPairs = 64 * 64;
/// In float32 the small convolutions of deep networks stay as they are: they gain little, and Inception3 would multiply their rounding
/// beyond the golden tolerance.
constexpr int64_t kLeastFloatPairs = 128 * 128;

template <class T>
const T* read(const at::Tensor& x) {
  return static_cast<const T*>(x.const_data_ptr());
}

template <class T>
T* write(const at::Tensor& x) {
  return static_cast<T*>(x.data_ptr());
}

}  // namespace

std::optional<WinogradConv> WinogradConv::make(const FoldedConv& conv, bool words) {
  const auto& o = conv.options;
  const int64_t outputs = conv.weight.size(0), inputs = conv.weight.size(1), side = conv.weight.size(2);
  const bool square = side == conv.weight.size(3) && (side == 3 || side == 5) && o.padding[0] == o.padding[1];
  const bool fits = square && o.stride == 1 && o.groups == 1 && inputs % 16 == 0 && outputs % kWinogradBlock == 0 && inputs * outputs >= (words ? kLeastWordPairs : kLeastFloatPairs);
  if (!fits || !kernels::winograd_available(words) || (words && inputs > kernels::kWinogradWordChannels)) return std::nullopt;
  return WinogradConv(conv, words);
}

WinogradConv::WinogradConv(const FoldedConv& conv, bool words)
    : words_(words), relu_(conv.options.relu), inputs_(conv.weight.size(1)), outputs_(conv.weight.size(0)), side_(conv.weight.size(2)), pad_(conv.options.padding[0]), bias_(conv.bias) {
  const at::Tensor weight = conv.weight.contiguous();
  packed_ = at::empty({outputs_ * kWinogradPoints * inputs_}, at::TensorOptions().dtype(words ? at::kShort : at::kFloat));
  if (words) scales_ = at::empty({outputs_ * kWinogradPoints}, at::kFloat);
  at::parallel_for(0, outputs_ / kWinogradBlock, 1, [&](int64_t begin, int64_t end) {
    const float* w = read<float>(weight) + begin * kWinogradBlock * inputs_ * side_ * side_;
    const int64_t at = begin * kWinogradBlock * kWinogradPoints, count = (end - begin) * kWinogradBlock;
    if (words) {
      kernels::winograd_pack(w, count, inputs_, side_, write<int16_t>(packed_) + at * inputs_, write<float>(scales_) + at);
    } else {
      kernels::winograd_pack(w, count, inputs_, side_, write<float>(packed_) + at * inputs_);
    }
  });
}

at::Tensor WinogradConv::run(const at::Tensor& image) const {
  const at::Tensor x = image.contiguous(at::MemoryFormat::ChannelsLast);
  const int64_t lost = side_ - 1 - 2 * pad_;
  const kernels::WinogradShape s{x.size(0), x.size(2), x.size(3), inputs_, x.size(2) - lost, x.size(3) - lost, outputs_, side_, pad_};
  TORCH_CHECK(x.size(1) == inputs_ && s.OH > 0 && s.OW > 0, "expected an image of at least ", side_, "x", side_, " and ", inputs_, " channels but received ", x.sizes());
  const at::Tensor out = at::empty({s.N, s.O, s.OH, s.OW}, x.options().memory_format(at::MemoryFormat::ChannelsLast));
  const int64_t most = std::min(kChunk, s.tiles());
  const at::Tensor v = at::empty({kWinogradPoints * most * inputs_}, packed_.options()), v_scales = at::empty({kWinogradPoints * most}, x.options());
  const kernels::WinogradEnd end{read<float>(bias_), relu_};
  for (int64_t first = 0; first < s.tiles(); first += most) {
    const kernels::WinogradChunk chunk{first, std::min(most, s.tiles() - first)};
    at::parallel_for(0, chunk.count, 4, [&](int64_t from, int64_t to) {
      if (!words_) return kernels::winograd_input(read<float>(x), s, chunk, from, to, write<float>(v));
      const at::Tensor scratch = at::empty({kWinogradPoints * inputs_}, x.options());
      kernels::winograd_input(read<float>(x), s, chunk, from, to, write<int16_t>(v), write<float>(v_scales), write<float>(scratch));
    });
    at::parallel_for(0, outputs_ / kWinogradBlock, 1, [&](int64_t from, int64_t to) {
      const at::Tensor scratch = at::empty({kWinogradPoints * chunk.count * kWinogradBlock}, x.options());
      for (int64_t block = from; block < to; block++) {
        if (words_) {
          kernels::winograd_output(read<int16_t>(v), read<float>(v_scales), read<int16_t>(packed_), read<float>(scales_), s, chunk, block, end, write<float>(scratch), write<float>(out));
        } else {
          kernels::winograd_output(read<float>(v), read<float>(packed_), s, chunk, block, end, write<float>(scratch), write<float>(out));
        }
      }
    });
  }
  return out;
}

}  // namespace siam::tracking::inference
