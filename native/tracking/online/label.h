// What a sample's response should be: a Gaussian at the target.
#pragma once

#include <ATen/core/Tensor.h>

#include "options.h"

namespace siam::tracking::online {

/// @param side  cells on each side     @param sigma  standard deviation, cells     @param center  from the middle of the map, cells
/// @returns [side,side] float64 on the CPU, 1 at the centre
at::Tensor gaussian_label(int64_t side, double sigma, const Pair& center);

}  // namespace siam::tracking::online
