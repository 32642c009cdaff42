#include "image.h"

#include <limits>

#include "../stem_fold.h"
#include "jit.h"

namespace siam::core::cuda {

namespace {

Variant variant_of(at::ScalarType dtype) { return {"image", dtype, dtype == at::kFloat ? 4 : 8}; }

const Module* module_of(const at::Tensor& image, at::ScalarType dtype) {
  const bool known = (image.scalar_type() == at::kByte || image.scalar_type() == at::kFloat) && (dtype == at::kFloat || dtype == at::kHalf || dtype == at::kBFloat16);
  if (!known || !image.device().is_cuda() || image.numel() == 0 || image.requires_grad() || image.size(2) * image.size(3) > std::numeric_limits<int>::max()) return nullptr;
  return module_for(variant_of(dtype), image.device());
}

}  // namespace

at::Tensor image_pixels(const at::Tensor& image, at::ScalarType dtype, const ImageNormal& n, int64_t channels) {
  const Module* module = module_of(image, dtype);
  if (module == nullptr) return {};
  const at::Tensor planar = image.contiguous();
  const int64_t H = image.size(2), W = image.size(3), total = image.size(0) * H * W;
  at::Tensor out = at::empty({image.size(0), channels, H, W}, image.options().dtype(dtype).memory_format(at::MemoryFormat::ChannelsLast));
  module->launch("image_pixels", ceil_div(total, kThreads), 1, kThreads, planar.data_ptr(), static_cast<int>(image.scalar_type() == at::kByte), out.data_ptr(), static_cast<long long>(total),
                 static_cast<long long>(H * W), static_cast<int>(channels), static_cast<int>(n.swap), n.divisor, n.mean[0], n.mean[1], n.mean[2], n.deviation[0], n.deviation[1],
                 n.deviation[2]);
  return out;
}

at::Tensor image(const at::Tensor& given, const ComputeMode& mode, const ImageNormal& n) {
  if (mode.format != at::MemoryFormat::ChannelsLast) return {};
  if (!mode.fold) return image_pixels(given, mode.dtype, n);
  const Module* module = module_of(given, mode.dtype);
  if (module == nullptr) return {};
  const at::Tensor planar = given.contiguous();
  const int64_t H = given.size(2), W = given.size(3), QH = (H + 1) / 2, QW = (W + 1) / 2, total = given.size(0) * QH * QW;
  at::Tensor out = at::empty({given.size(0), kFoldedChannels, QH, QW}, given.options().dtype(mode.dtype).memory_format(at::MemoryFormat::ChannelsLast));
  module->launch("image_folded", ceil_div(total, kThreads), 1, kThreads, planar.data_ptr(), static_cast<int>(given.scalar_type() == at::kByte), out.data_ptr(), static_cast<long long>(total),
                 static_cast<int>(H), static_cast<int>(W), static_cast<int>(n.swap), n.divisor, n.mean[0], n.mean[1], n.mean[2], n.deviation[0], n.deviation[1], n.deviation[2]);
  return out;
}

}  // namespace siam::core::cuda
