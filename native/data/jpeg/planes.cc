#include "planes.h"

namespace siam::data::jpeg {

Layout::Layout(const Header& header) : width(header.width), height(header.height), components(header.components) {
  const int h_max = header.component[0].h, v_max = header.component[0].v;  // chroma has 1 and 1
  mcu_width = 8 * h_max;
  mcu_height = 8 * v_max;
  mcus_x = (width + mcu_width - 1) / mcu_width;
  mcus_y = (height + mcu_height - 1) / mcu_height;
  for (int c = 0; c < components; ++c) {
    const int h = header.component[c].h, v = header.component[c].v;
    component[c] = {h, v, (width * h + h_max - 1) / h_max, (height * v + v_max - 1) / v_max};
  }
}

}  // namespace siam::data::jpeg
