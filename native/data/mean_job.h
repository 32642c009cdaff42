// Means of many frames at once, before a training needs them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "index.h"

namespace siam::data {

struct MeanJobResult {
  uint64_t computed = 0;
  uint64_t failed = 0;      ///< frames that cannot be read or decoded: they have no mean
  std::string first_file;   ///< the first of them, by row, and why
  std::string first_reason;
};

/// Computes the means of the rows [first, first + count) that have none. Blocks until all are done.
/// @param threads  at least 1; fewer work where the system gives no more
///     @throws what is about no single frame (ERR_SETUP); unreadable frames are counted
MeanJobResult ComputeMeans(const DatasetIndex& index, uint64_t first, uint64_t count, int threads);

}  // namespace siam::data
