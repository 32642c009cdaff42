#include "planes.h"

namespace siam::data::jpeg {

Layout::Layout(const Header& header, int reduction)
    : width((header.width + reduction - 1) / reduction), height((header.height + reduction - 1) / reduction), components(header.components) {
  const int h_max = header.component[0].h, v_max = header.component[0].v;  // chroma has 1 and 1
  mcu_width = 8 * h_max / reduction;
  mcu_height = 8 * v_max / reduction;
  const bool full = reduction == 1;
  wide = full && h_max == 2;
  high = full && v_max == 2;
  mcus_x = (width + mcu_width - 1) / mcu_width;
  mcus_y = (height + mcu_height - 1) / mcu_height;
  for (int c = 0; c < components; ++c) {
    const int h = header.component[c].h, v = header.component[c].v;
    if (full) {
      component[c] = {h, v, (width * h + h_max - 1) / h_max, (height * v + v_max - 1) / v_max};
    } else {
      component[c] = {h, v, width, height, mcu_width / h, mcu_height / v};
    }
  }
}

}  // namespace siam::data::jpeg
