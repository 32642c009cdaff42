#include "blocks.h"

#include "kernels.h"

namespace siam::data::jpeg {
namespace {

constexpr std::array<uint8_t, 256> Places() {
  std::array<uint8_t, 256> places = PlacesOfZigzag<256>();
  for (size_t i = 64; i < places.size(); ++i) places[i] = 64;
  return places;
}

}  // namespace

const std::array<uint8_t, 256> kBlockPlaces = Places();

}  // namespace siam::data::jpeg
