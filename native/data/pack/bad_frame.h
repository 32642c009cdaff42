// A frame that could not be packed.
#pragma once

#include <cstdint>
#include <string>

namespace siam::data {

struct BadFrame {
  uint64_t row = 0;
  std::string code, file, message;
};

}  // namespace siam::data
