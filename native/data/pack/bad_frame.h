// A frame that could not be packed.
#pragma once

#include <cstdint>
#include <string>

#include "../../base/error.h"

namespace siam::data {

struct BadFrame {
  uint64_t row = 0;
  std::string code, file, message;
};

/// Whether an error says something of the frame: it is missing, not readable for us, or no picture. All others are of the machine (a disk that fails,
/// no more descriptors): they pass, and must not be written down as a frame's.
bool IsFramesFault(const SiamException& error);

}  // namespace siam::data
