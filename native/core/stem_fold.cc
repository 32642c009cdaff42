#include "stem_fold.h"

#include <cstdlib>
#include <string_view>

namespace siam::core {
namespace {

constexpr int64_t kPixels = 2;  // of a cell, in each direction
constexpr int64_t kImageChannels = 3;

int64_t halved(int64_t size) { return (size + kPixels - 1) / kPixels; }

}  // namespace

at::Tensor fold_image(const at::Tensor& image, at::ScalarType dtype) {
  const int64_t n = image.size(0), height = halved(image.size(2)), width = halved(image.size(3));
  const at::Tensor padded = at::constant_pad_nd(image, {0, kPixels * width - image.size(3), 0, kPixels * height - image.size(2)});
  at::Tensor folded = at::zeros({n, height, width, kFoldedChannels}, image.options().dtype(dtype));
  const at::Tensor cells = padded.contiguous().view({n, kImageChannels, height, kPixels, width, kPixels}).permute({0, 2, 4, 1, 3, 5});
  folded.narrow(3, 0, kImageChannels * kPixels * kPixels).unflatten(3, {kImageChannels, kPixels, kPixels}).copy_(cells);
  return folded.permute({0, 3, 1, 2});
}

at::Tensor fold_weight(const at::Tensor& weight) {
  const int64_t missing = weight.size(2) % kPixels;
  const at::Tensor cells = at::pixel_unshuffle(at::constant_pad_nd(weight, {0, missing, 0, missing}), kPixels);
  return at::constant_pad_nd(cells, {0, 0, 0, 0, 0, kFoldedChannels - cells.size(1)}).contiguous(at::MemoryFormat::ChannelsLast);
}

bool folds_stem(at::ScalarType dtype, at::MemoryFormat format, at::Device device) {
  const char* value = std::getenv("SIAMFCPP_STEM_FOLD");
  const std::string_view asked = value == nullptr ? "" : value;
  if (asked == "always") return true;
  return asked != "0" && dtype != at::kFloat && format == at::MemoryFormat::ChannelsLast && device.is_cuda();
}

}  // namespace siam::core
