// Scratch memory that stays with its thread from frame to frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace siam::data {

/// A buffer that is larger than this is given back after its sample. One frame of 2^28 pixels, the most that is decoded, takes 805 MB of
/// each buffer that it goes through, and every thread would hold that for the rest of a run. Frames of videos stay below (21 million
/// pixels); those above take so long to decode that getting the memory anew does not count.
constexpr size_t kMostScratch = size_t{64} << 20;

inline void ReleaseHuge(std::vector<uint8_t>& buffer) {
  if (buffer.capacity() > kMostScratch) buffer = std::vector<uint8_t>();
}

}  // namespace siam::data
