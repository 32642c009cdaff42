#include "exif.h"

#include <cstring>

namespace siam::data {
namespace {

constexpr int kUpright = 1;

struct TiffReader {
  const uint8_t* data;
  size_t size;
  bool little;

  bool U16(size_t at, uint32_t& out) const {
    if (at + 2 > size) return false;
    out = little ? data[at] | data[at + 1] << 8 : data[at] << 8 | data[at + 1];
    return true;
  }
  bool U32(size_t at, uint32_t& out) const {
    uint32_t a = 0, b = 0;
    if (at + 4 > size || !U16(at, a) || !U16(at + 2, b)) return false;
    out = little ? (b << 16 | a) : (a << 16 | b);
    return true;
  }
};

}  // namespace

int TiffOrientation(const uint8_t* data, size_t size) {
  if (size < 8) return kUpright;
  const bool little = data[0] == 'I' && data[1] == 'I';
  if (!little && !(data[0] == 'M' && data[1] == 'M')) return kUpright;
  const TiffReader tiff{data, size, little};
  uint32_t magic = 0, directory = 0, entries = 0;
  if (!tiff.U16(2, magic) || magic != 42 || !tiff.U32(4, directory) || directory >= size || !tiff.U16(directory, entries)) {
    return kUpright;
  }
  for (uint32_t i = 0; i < entries; ++i) {
    const size_t entry = size_t{directory} + 2 + size_t{i} * 12;
    uint32_t tag = 0, value = 0;
    if (!tiff.U16(entry, tag)) return kUpright;
    if (tag == 0x0112) return tiff.U16(entry + 8, value) && value >= 1 && value <= 8 ? static_cast<int>(value) : kUpright;
  }
  return kUpright;
}

int ExifOrientation(const uint8_t* jpeg, size_t size) {
  size_t at = 2;
  while (at + 4 <= size && jpeg[at] == 0xFF) {
    const uint8_t marker = jpeg[at + 1];
    if (marker == 0xFF) {  // fill byte before a marker
      ++at;
      continue;
    }
    if (marker == 0xDA || marker == 0xD9) break;  // pixels begin, or the file ends
    const size_t length = static_cast<size_t>(jpeg[at + 2]) << 8 | jpeg[at + 3];
    if (length < 2 || at + 2 + length > size) break;
    const uint8_t* payload = jpeg + at + 4;
    const size_t payload_size = length - 2;
    if (marker == 0xE1 && payload_size > 6 && std::memcmp(payload, "Exif\0\0", 6) == 0) {
      return TiffOrientation(payload + 6, payload_size - 6);
    }
    at += 2 + length;
  }
  return kUpright;
}

}  // namespace siam::data
