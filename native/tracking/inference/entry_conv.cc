#include "entry_conv.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "../../core/kernels/entry_conv.h"

namespace siam::tracking::inference {

namespace {

template <class T>
T* data(const at::Tensor& x) {
  return static_cast<T*>(x.data_ptr());
}

}  // namespace

std::optional<EntryConv> EntryConv::make(const FoldedConv& conv) {
  const auto& o = conv.options;
  const int64_t side = conv.weight.size(2);
  const bool fits = conv.weight.size(1) == 3 && side == conv.weight.size(3) && o.groups == 1 && o.padding[0] == 0 && o.padding[1] == 0 &&
                    conv.weight.size(0) % kernels::kEntryBlock == 0 && 3 * side * side <= kernels::kEntryProducts;
  if (!fits || !kernels::entry_available()) return std::nullopt;
  return EntryConv(conv);
}

EntryConv::EntryConv(const FoldedConv& conv) : relu_(conv.options.relu), outputs_(conv.weight.size(0)), side_(conv.weight.size(2)), stride_(conv.options.stride), bias_(conv.bias) {
  const at::Tensor weight = conv.weight.contiguous();
  const kernels::EntryShape s{1, 0, 0, 0, 0, outputs_, side_, stride_};
  packed_ = at::empty({outputs_ * side_ * s.pairs() * 2}, at::kShort);
  scales_ = at::empty({outputs_}, at::kFloat);
  kernels::entry_pack(data<float>(weight), outputs_, side_, data<int16_t>(packed_), data<float>(scales_));
}

at::Tensor EntryConv::run(const at::Tensor& image) const {
  const at::Tensor x = image.contiguous(at::MemoryFormat::ChannelsLast);
  const auto size = [&](int64_t in) { return (in - side_) / stride_ + 1; };
  const kernels::EntryShape s{x.size(0), x.size(2), x.size(3), size(x.size(2)), size(x.size(3)), outputs_, side_, stride_};
  TORCH_CHECK(x.size(2) >= side_ && x.size(3) >= side_, "expected an image of at least ", side_, "x", side_, " but received ", x.sizes());
  const at::Tensor words = at::empty({x.numel() + kernels::kEntrySlack}, at::kShort);
  at::parallel_for(0, x.numel(), 65536, [&](int64_t begin, int64_t end) { kernels::entry_words(data<float>(x), data<int16_t>(words), begin, end); });
  std::fill_n(data<int16_t>(words) + x.numel(), kernels::kEntrySlack, static_cast<int16_t>(0));
  const at::Tensor out = at::empty({s.N, s.O, s.OH, s.OW}, x.options().memory_format(at::MemoryFormat::ChannelsLast));
  at::parallel_for(0, s.N * s.OH, 1, [&](int64_t begin, int64_t end) {
    kernels::entry_rows(data<int16_t>(words), data<int16_t>(packed_), data<float>(scales_), data<float>(bias_), relu_, s, begin, end, data<float>(out));
  });
  return out;
}

}  // namespace siam::tracking::inference
