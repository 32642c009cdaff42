// Decoded samples of the last two rows of MCUs: enough to give the rows of pixels in between, whose upsampling looks at both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "header.h"
#include "kernels.h"

namespace siam::data::jpeg {

/// One component's samples. Rows are addressed by their number in the component; those of the last two MCU rows exist.
class Plane {
 public:
  /// @param rows  of an MCU row     @param first, end  the columns that exist
  void Reset(int rows, int first, int end) {
    rows_ = rows;
    first_ = first;
    stride_ = static_cast<size_t>(end - first) + kLead + kRowSlack;
    if (memory_.size() < stride_ * 2 * rows) memory_.resize(stride_ * 2 * rows);
  }

  uint8_t* Row(int y) { return memory_.data() + stride_ * static_cast<size_t>(y % (2 * rows_)) + kLead - first_; }
  const uint8_t* Row(int y) const { return const_cast<Plane*>(this)->Row(y); }
  ptrdiff_t stride() const { return static_cast<ptrdiff_t>(stride_); }

 private:
  static constexpr int kLead = 32;
  static_assert(kLead >= kRowMargin && kRowSlack >= kRowMargin, "upsampling reads a sample on either side");

  std::vector<uint8_t> memory_;
  size_t stride_ = 0;
  int rows_ = 8;
  int first_ = 0;
};

/// A component's part in the layout of MCUs.
struct ComponentLayout {
  int h = 1, v = 1;       ///< blocks of an MCU
  int width = 0;          ///< samples, without what fills up the last MCUs
  int height = 0;
  int block_width = 8, block_height = 8;  ///< samples that a block gives
};

/// The picture as it is decoded: of the frame's size, or 2, 4 or 8 times smaller. Then chroma's blocks keep as many more samples than luma's
/// as brings them to the picture's size, and nothing is upsampled.
struct Layout {
  int width = 0, height = 0;
  int components = 0;
  int mcu_width = 8, mcu_height = 8;  ///< pixels
  int mcus_x = 0, mcus_y = 0;
  bool wide = false, high = false;    ///< chroma has half the luma's columns, rows
  ComponentLayout component[3];

  explicit Layout(const Header& header, int reduction = 1);
};

}  // namespace siam::data::jpeg
