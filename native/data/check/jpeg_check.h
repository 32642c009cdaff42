// Our JPEG decoder against libturbojpeg: random frames and damaged ones.
#pragma once

#include <cstdint>

/// @param rounds  damaged frames     @param expect  is told what should hold, and whether it does
void CheckJpegDecoder(uint64_t seed, int rounds, void (*expect)(bool holds, const char* what));
