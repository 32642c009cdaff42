#include "image.h"

#include <cstdlib>
#include <limits>
#include <string>

#include "jit.h"

namespace siam::core::cuda {

namespace {

constexpr int kThreads = 256;

Variant variant_of(at::ScalarType dtype) { return {"image", dtype, dtype == at::kFloat ? 4 : 8}; }

const Module* module_of(const at::Tensor& image, at::ScalarType dtype) {
  const bool known = (image.scalar_type() == at::kByte || image.scalar_type() == at::kFloat) && (dtype == at::kFloat || dtype == at::kHalf || dtype == at::kBFloat16);
  if (!known || !image.device().is_cuda() || image.numel() == 0 || image.requires_grad() || image.size(2) * image.size(3) > std::numeric_limits<int>::max()) return nullptr;
  return module_for(variant_of(dtype), image.device());
}

int64_t blocks_of(int64_t total) { return (total + kThreads - 1) / kThreads; }

}  // namespace

bool blocks_wanted() {
  static const bool wanted = [] {
    const char* value = std::getenv("SIAMFCPP_CUDA_BLOCKS");
    return value == nullptr || std::string(value) != "0";
  }();
  return wanted;
}

at::Tensor image_pixels(const at::Tensor& image, at::ScalarType dtype, const ImageNormal& n, int64_t channels) {
  const Module* module = module_of(image, dtype);
  if (module == nullptr) return {};
  const at::Tensor planar = image.contiguous();
  const int64_t H = image.size(2), W = image.size(3), total = image.size(0) * H * W;
  at::Tensor out = at::empty({image.size(0), channels, H, W}, image.options().dtype(dtype).memory_format(at::MemoryFormat::ChannelsLast));
  module->launch("image_pixels", blocks_of(total), 1, kThreads, planar.data_ptr(), static_cast<int>(image.scalar_type() == at::kByte), out.data_ptr(), static_cast<long long>(total),
                 static_cast<long long>(H * W), static_cast<int>(channels), static_cast<int>(n.swap), n.divisor, n.mean[0], n.mean[1], n.mean[2], n.deviation[0], n.deviation[1],
                 n.deviation[2]);
  return out;
}

at::Tensor image_blocks(const at::Tensor& image, at::ScalarType dtype, const ImageNormal& n) {
  if (dtype == at::kFloat) return {};
  const Module* module = module_of(image, dtype);
  if (module == nullptr) return {};
  const at::Tensor planar = image.contiguous();
  const int64_t H = image.size(2), W = image.size(3), QH = (H + 1) / 2, QW = (W + 1) / 2, total = image.size(0) * QH * QW;
  at::Tensor out = at::empty({image.size(0), kBlockChannels, QH, QW}, image.options().dtype(dtype).memory_format(at::MemoryFormat::ChannelsLast));
  module->launch("image_blocks", blocks_of(total), 1, kThreads, planar.data_ptr(), static_cast<int>(image.scalar_type() == at::kByte), out.data_ptr(), static_cast<long long>(total),
                 static_cast<int>(H), static_cast<int>(W), static_cast<int>(kBlockChannels), static_cast<int>(n.swap), n.divisor, n.mean[0], n.mean[1], n.mean[2], n.deviation[0],
                 n.deviation[1], n.deviation[2]);
  return out;
}

at::Tensor block_weight(const at::Tensor& weight) {
  const int64_t O = weight.size(0), C = weight.size(1), h = (weight.size(2) + 1) / 2, w = (weight.size(3) + 1) / 2;
  const at::Tensor even = at::constant_pad_nd(weight.contiguous(), {0, 2 * w - weight.size(3), 0, 2 * h - weight.size(2)});
  const at::Tensor blocks = even.reshape({O, C, h, 2, w, 2}).permute({0, 3, 5, 1, 2, 4}).reshape({O, 4 * C, h, w});
  return at::constant_pad_nd(blocks, {0, 0, 0, 0, 0, kBlockChannels - 4 * C}).contiguous(at::MemoryFormat::ChannelsLast);
}

}  // namespace siam::core::cuda
