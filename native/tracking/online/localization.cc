#include "localization.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace siam::tracking::online {
namespace {

/// Rows are places of the map, columns cells of the response: the value of the Fourier series of one axis.
at::Tensor sampling(int64_t cells, int64_t taps) {
  const int64_t side = map_side(cells), highest = side / 2;
  // In an even filter's response the middle lies on a cell, in an odd one's as the map's does.
  const double offset = taps % 2 == 0 ? 0.5 : 0.5 - static_cast<double>(side) / (2.0 * static_cast<double>(cells));
  at::Tensor out = at::empty({side, cells}, at::kDouble);
  for (int64_t i = 0; i < side; ++i) {
    for (int64_t n = 0; n < cells; ++n) {
      const double turn = 2 * M_PI * ((static_cast<double>(i) + offset) / static_cast<double>(side) - static_cast<double>(n) / static_cast<double>(cells));
      double sum = 1;
      for (int64_t k = 1; k <= highest; ++k) sum += 2 * std::cos(turn * static_cast<double>(k));
      out.data_ptr<double>()[i * cells + n] = sum / static_cast<double>(cells);
    }
  }
  return out;
}

struct Peak {
  double value;
  int64_t row, column;
};

/// The largest value; of several the leftmost, of those the topmost.
Peak peak(const at::Tensor& map) {
  const auto values = map.accessor<double, 2>();
  Peak best{values[0][0], 0, 0};
  for (int64_t column = 0; column < map.size(1); ++column) {
    for (int64_t row = 0; row < map.size(0); ++row) {
      if (values[row][column] > best.value) best = {values[row][column], row, column};
    }
  }
  return best;
}

double distance(const Peak& at, int64_t x_size) {
  const double middle = std::floor(static_cast<double>(x_size) / 2);
  return std::hypot(static_cast<double>(at.row) - middle, static_cast<double>(at.column) - middle);
}

/// Cells [first, last) within half of `extent` of `center`.
std::array<int64_t, 2> neighborhood(int64_t center, double extent, int64_t side) {
  const auto first = static_cast<int64_t>(std::nearbyint(static_cast<double>(center) - extent / 2));
  const auto last = static_cast<int64_t>(std::nearbyint(static_cast<double>(center) + extent / 2 + 1));
  return {std::clamp<int64_t>(first, 0, side), std::clamp<int64_t>(last, 0, side)};
}

}  // namespace

const char* name(Found found) {
  switch (found) {
    case Found::kNormal: return "normal";
    case Found::kHardNegative: return "hard_negative";
    case Found::kUncertain: return "uncertain";
    case Found::kNotFound: return "not_found";
  }
  return "";
}

at::Tensor score_map(const at::Tensor& response, const Kernel& kernel) {
  const at::Tensor cells = response.to(at::TensorOptions().device(at::kCPU).dtype(at::kDouble));
  return at::mm(at::mm(sampling(cells.size(0), kernel.rows), cells), sampling(cells.size(1), kernel.columns).t()).contiguous();
}

Found localize(const at::Tensor& map, double target_rows, double target_columns, int64_t x_size, const OnlineOptions& options) {
  if (!options.advanced_localization) return Found::kNormal;
  const Peak best = peak(map);
  if (best.value < options.target_not_found_threshold) return Found::kNotFound;

  const auto rows = neighborhood(best.row, options.target_neighborhood_scale * target_rows, map.size(0));
  const auto columns = neighborhood(best.column, options.target_neighborhood_scale * target_columns, map.size(1));
  at::Tensor others = map.clone();
  if (rows[1] > rows[0] && columns[1] > columns[0]) others.narrow(0, rows[0], rows[1] - rows[0]).narrow(1, columns[0], columns[1] - columns[0]).zero_();
  const Peak second = peak(others);

  if (second.value > options.distractor_threshold * best.value) {
    const double near = options.displacement_scale * std::sqrt(static_cast<double>(map.numel())) / 2;
    const double first_distance = distance(best, x_size), second_distance = distance(second, x_size);
    const bool one_is_near = (second_distance > near && first_distance < near) || (second_distance < near && first_distance > near);
    return one_is_near ? Found::kHardNegative : Found::kUncertain;
  }
  if (second.value > options.hard_negative_threshold * best.value && second.value > options.target_not_found_threshold) return Found::kHardNegative;
  return Found::kNormal;
}

}  // namespace siam::tracking::online
