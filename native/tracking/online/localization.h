// From the filter's response to a score map, and what the map says of the target.
#pragma once

#include <ATen/core/Tensor.h>

#include "options.h"
#include "taps.h"

namespace siam::tracking::online {

enum class Found {
  kNormal,
  kHardNegative,  ///< something else looks like the target: learn from this frame more, and at once
  kUncertain,     ///< something else looks as much like it: learn nothing from this frame
  kNotFound,      ///< nothing looks like it: learn nothing
};

const char* name(Found found);

/// Sides of score maps are odd: what the response's Fourier series is sampled at.
inline int64_t map_side(int64_t cells) { return cells % 2 == 0 ? cells + 1 : cells; }

/// The response's Fourier series, sampled at map_side(H) × map_side(W) places with the target's own cell in the middle. Where a side is
/// even, its highest frequency counts twice, as in the original.
/// @param response [H,W]     @returns float64 on the CPU
at::Tensor score_map(const at::Tensor& response, const Kernel& kernel);

/// What the original's localisation says of a map, with its units: the neighbourhood of the best cell is as many cells as the target in the
/// search crop has pixels, and distances are from (x_size / 2, x_size / 2) in cells. So a second peak is seen only beside a target that has
/// become much smaller than it was in the first frame.
/// @param map [M,M] float64 on the CPU     @param target_rows, target_columns  the target's size in the search crop, pixels
Found localize(const at::Tensor& map, double target_rows, double target_columns, int64_t x_size, const OnlineOptions& options);

}  // namespace siam::tracking::online
