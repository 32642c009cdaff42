#include "model.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "attention.h"

namespace siam::tracking::online {

at::Tensor compress(const at::Tensor& x, const Model& model, const OnlineOptions& options) {
  const at::Tensor projected = options.projection_activation.value(model.projection.defined() ? at::matmul(x, model.projection.t()) : x);
  if (!options.attends()) return projected;
  at::Tensor weight;
  if (options.spatial_attention) weight = at::sigmoid(projected.mean({2}, true));
  if (options.channel_attention) {
    const at::Tensor channel = ChannelAttention(projected.mean({1}), model.fc1, model.fc2, options.attention_activation).value().unsqueeze(1);
    weight = weight.defined() ? weight + channel : channel;
  }
  return projected * weight;
}

at::Tensor respond(const at::Tensor& samples, const at::Tensor& filter, const Kernel& kernel, int64_t height, int64_t width) {
  const at::Tensor maps = at::mm(filter, samples.reshape({-1, samples.size(2)}).t());
  return gather_taps(maps.view({kernel.taps(), samples.size(0), height, width}), kernel);
}

at::Tensor principal_components(const at::Tensor& x, int64_t dim) {
  // In float64 on the CPU: once for a sequence, and the same everywhere.
  const at::Tensor flat = x.reshape({-1, x.size(2)}).to(at::TensorOptions().device(at::kCPU).dtype(at::kDouble));
  const at::Tensor centred = flat - flat.mean({0}, true);
  const at::Tensor vectors = std::get<1>(at::linalg_eigh(at::mm(centred.t(), centred)));  // columns, smallest eigenvalue first
  const at::Tensor rows = vectors.t().flip({0}).narrow(0, 0, std::min(dim, vectors.size(1)));
  const at::Tensor largest = rows.gather(1, rows.abs().argmax(1, true));
  return (rows * largest.sign()).to(x.options()).contiguous();
}

}  // namespace siam::tracking::online
