// From planes of samples to rows of BGR pixels, or to the sum of their colours.
#pragma once

#include <cstdint>
#include <vector>

#include "../image.h"
#include "kernels.h"
#include "planes.h"

namespace siam::data::jpeg {

class RowWriter {
 public:
  /// @param region  the rectangle that is written; its columns begin and end on even numbers, or at the frame's edge     @param sums [3] B, G, R of all of the frame's pixels are added here; may be nullptr
  /// @param out  region.width · 3 bytes a row, and kRowSlack bytes behind the last one
  RowWriter(const Layout& layout, const Plane* planes, const Rect& region, uint8_t* out, uint64_t* sums, std::vector<uint8_t>& scratch);

  /// Gives row `y`, all of whose samples, and those of the neighbours that it is upsampled from, are in the planes.
  void Row(int y);

 private:
  void Convert(int y, int begin, int end, uint8_t* bgr);
  void Add(int y, int begin, int end);
  const uint8_t* Chroma(int component, int y) const;

  const Layout& layout_;
  const Plane* planes_;
  const Rect region_;
  uint8_t* const out_;
  uint64_t* const sums_;
  const bool wide_, high_;  ///< chroma has half the luma's columns, rows
  const Kernels& kernels_;
  std::vector<uint8_t>& scratch_;
  size_t scratch_row_;
};

}  // namespace siam::data::jpeg
