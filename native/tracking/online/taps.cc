#include "taps.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace siam::tracking::online {
namespace {

/// Cells [to, to + count) of one axis look at cells [from, from + count); the rest look outside, where there is nothing.
struct Overlap {
  int64_t to, from, count;
  Overlap(int64_t offset, int64_t extent) : to(std::max<int64_t>(0, -offset)), from(std::max<int64_t>(0, offset)), count(std::max<int64_t>(0, extent - std::abs(offset))) {}
};

/// Calls f(tap, rows, columns) for each tap that looks at anything.
template <class F>
void each_tap(const Kernel& kernel, int64_t height, int64_t width, F&& f) {
  for (int64_t t = 0; t < kernel.taps(); ++t) {
    const Overlap rows(t / kernel.columns - kernel.rows / 2, height), columns(t % kernel.columns - kernel.columns / 2, width);
    if (rows.count > 0 && columns.count > 0) f(t, rows, columns);
  }
}

}  // namespace

at::Tensor gather_taps(const at::Tensor& maps, const Kernel& kernel) {
  const int64_t height = maps.size(2), width = maps.size(3);
  at::Tensor cells = at::zeros({maps.size(1), height, width}, maps.options());
  each_tap(kernel, height, width, [&](int64_t t, const Overlap& rows, const Overlap& columns) {
    cells.narrow(1, rows.to, rows.count).narrow(2, columns.to, columns.count).add_(maps[t].narrow(1, rows.from, rows.count).narrow(2, columns.from, columns.count));
  });
  return cells;
}

at::Tensor spread_taps(const at::Tensor& cells, const Kernel& kernel) {
  const int64_t height = cells.size(1), width = cells.size(2);
  at::Tensor maps = at::zeros({kernel.taps(), cells.size(0), height, width}, cells.options());
  each_tap(kernel, height, width, [&](int64_t t, const Overlap& rows, const Overlap& columns) {
    maps[t].narrow(1, rows.from, rows.count).narrow(2, columns.from, columns.count).copy_(cells.narrow(1, rows.to, rows.count).narrow(2, columns.to, columns.count));
  });
  return maps;
}

}  // namespace siam::tracking::online
