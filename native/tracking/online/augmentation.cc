#include "augmentation.h"

#include <ATen/ATen.h>

#include <cmath>

#include "draws.h"

namespace siam::tracking::online {
namespace {

/// Rows (or columns) that a cut takes: `side` around the middle, moved against the shift, the edge repeated where there are none.
at::Tensor taken(int64_t extent, int64_t side, double shift, at::Device device) {
  const auto first = -(static_cast<int64_t>(std::floor((side - extent) / 2.0)) + static_cast<int64_t>(shift));
  return at::arange(first, first + side, at::TensorOptions().dtype(at::kLong)).clamp(0, extent - 1).to(device);
}

at::Tensor cut(const at::Tensor& image, int64_t side, const Pair& shift) {
  return image.index_select(2, taken(image.size(2), side, shift[0], image.device())).index_select(3, taken(image.size(3), side, shift[1], image.device()));
}

/// A normalised Gaussian of 2 · ceil(2 σ) + 1 taps.
at::Tensor gaussian(double sigma, const at::Tensor& like) {
  const auto reach = static_cast<int64_t>(std::ceil(2 * sigma));
  const at::Tensor x = at::arange(-reach, reach + 1, at::TensorOptions().dtype(at::kDouble));
  const at::Tensor taps = at::exp(-(x * x) / (2 * sigma * sigma));
  return (taps / taps.sum()).to(like.options());
}

at::Tensor blurred(const at::Tensor& image, const Pair& sigma) {
  const at::Tensor rows = gaussian(sigma[0], image), columns = gaussian(sigma[1], image);
  const at::Tensor channels = image.transpose(0, 1);
  const at::Tensor once = at::conv2d(channels, rows.view({1, 1, -1, 1}), {}, 1, at::IntArrayRef{rows.size(0) / 2, 0});
  return at::conv2d(once, columns.view({1, 1, 1, -1}), {}, 1, at::IntArrayRef{0, columns.size(0) / 2}).transpose(0, 1);
}

at::Tensor scaled(const at::Tensor& image, double factor) {
  const int64_t extent = image.size(2);
  auto side = static_cast<int64_t>(std::nearbyint(static_cast<double>(extent) / factor));
  side += std::abs(side - extent) % 2;  // so that the middle stays between the same cells
  return at::upsample_bilinear2d(image, {side, side}, false);
}

/// What cut() takes of the image turned by `degrees` about its middle; bilinear, the edge repeated outside. Only those pixels are computed.
at::Tensor rotated_cut(const at::Tensor& image, double degrees, int64_t side, const Pair& shift) {
  const double angle = degrees * M_PI / 180, half = static_cast<double>(image.size(2) - 1) / 2;
  // Coordinates from −1 to 1 between the outermost pixels' centres: the middle is 0.
  const auto line = [&](double moved) { return taken(image.size(2), side, moved, at::kCPU).to(at::kDouble) / half - 1; };
  const at::Tensor x = line(shift[1]).view({1, side}), y = line(shift[0]).view({side, 1});
  const at::Tensor grid = at::stack({x * std::cos(angle) - y * std::sin(angle), x * std::sin(angle) + y * std::cos(angle)}, 2);
  return at::grid_sampler_2d(image, grid.unsqueeze(0).to(image.options()), /*bilinear*/ 0, /*border*/ 1, /*align_corners=*/true);
}

}  // namespace

AugmentedImages augment(const at::Tensor& image, int64_t side, const AugmentationOptions& options, uint64_t seed) {
  std::vector<at::Tensor> images;
  AugmentedImages result;
  const auto add = [&](const at::Tensor& source, const Pair& shift) {
    images.push_back(cut(source, side, shift));
    result.shifts.push_back(shift);
  };
  Draws draws(seed, Purpose::kShift);
  const auto random_shift = [&]() -> Pair {
    if (options.random_shift <= 0) return {0, 0};
    const auto drawn = [&] { return std::trunc((draws.uniform() - 0.5) * static_cast<double>(side) * options.random_shift); };
    const double row = drawn(), column = drawn();
    return {row, column};
  };
  const auto extent = static_cast<float>(side);  // the original's arithmetic: it decides which way .5 goes

  add(image, {0, 0});
  if (options.enabled) {
    for (const Pair& shift : options.shifts) add(image, {std::trunc(shift[0]), std::trunc(shift[1])});
    for (const Pair& shift : options.relative_shifts) {
      const auto pixels = [&](double share) { return static_cast<double>(std::trunc(static_cast<float>(share) * extent / 2)); };
      add(image, {pixels(shift[0]), pixels(shift[1])});
    }
    if (options.flip) add(image.flip({3}), random_shift());
    for (const Pair& sigma : options.blurs) add(blurred(image, sigma), random_shift());
    for (const double factor : options.scales) add(scaled(image, factor), random_shift());
    for (const double degrees : options.rotations) {
      result.shifts.push_back(random_shift());
      images.push_back(rotated_cut(image, degrees, side, result.shifts.back()));
    }
  }
  result.images = at::cat(images);
  return result;
}

at::Tensor channel_dropout(const at::Tensor& sample, int64_t count, double rate, uint64_t seed) {
  const int64_t channels = sample.size(1);
  at::Tensor kept = at::zeros({count, channels, 1, 1}, at::kDouble);
  double* values = kept.data_ptr<double>();
  Draws draws(seed, Purpose::kDropout);
  for (int64_t i = 0; i < count * channels; ++i) {
    if (draws.uniform() >= rate) values[i] = 1 / (1 - rate);
  }
  return sample * kept.to(sample.options());
}

}  // namespace siam::tracking::online
