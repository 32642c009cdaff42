#include "header.h"

#include <cstring>

namespace siam::data::jpeg {

namespace {

constexpr uint8_t kSof0 = 0xC0, kSof1 = 0xC1, kDht = 0xC4, kSoi = 0xD8, kSos = 0xDA, kDqt = 0xDB, kDri = 0xDD, kApp0 = 0xE0, kApp14 = 0xEE,
                  kApp15 = 0xEF, kCom = 0xFE;

constexpr int kMaxDimension = 65500;  // libjpeg's limit

/// A marker segment's payload.
struct Segment {
  const uint8_t* data;
  size_t size;

  int U16(size_t at) const { return data[at] << 8 | data[at + 1]; }
};

/// What the header's parts say in between.
struct Seen {
  unsigned quant = 0, dc = 0, ac = 0;  ///< one bit a table
  bool frame = false, jfif = false, adobe = false;
  int adobe_transform = 0;
};

bool ReadQuantTables(Segment s, Header& header, Seen& seen) {
  constexpr std::array<uint8_t, 64> places = PlacesOfZigzag<64>();
  size_t at = 0;
  while (at < s.size) {
    const int slot = s.data[at] & 15, wide = s.data[at] >> 4;
    ++at;
    if (slot > 3 || wide > 1 || s.size - at < static_cast<size_t>(64 << wide)) return false;
    for (int i = 0; i < 64; ++i, at += static_cast<size_t>(1 + wide)) {
      const int value = wide ? s.U16(at) : s.data[at];
      header.quant[slot][places[i]] = static_cast<uint16_t>(value);
    }
    seen.quant |= 1u << slot;
  }
  return true;
}

bool ReadHuffmanTables(Segment s, Header& header, Seen& seen) {
  size_t at = 0;
  while (at < s.size) {
    const int slot = s.data[at] & 15, ac = s.data[at] >> 4;
    ++at;
    if (slot > 3 || ac > 1 || s.size - at < 16) return false;
    HuffmanCodes& codes = (ac ? header.ac : header.dc)[slot];
    codes = {};
    std::memcpy(codes.counts.data(), s.data + at, 16);
    at += 16;
    const size_t count = static_cast<size_t>(codes.Count());
    if (count > 256 || s.size - at < count) return false;
    std::memcpy(codes.symbols.data(), s.data + at, count);
    at += count;
    (ac ? seen.ac : seen.dc) |= 1u << slot;
  }
  return true;
}

bool ReadFrame(Segment s, Header& header, Seen& seen) {
  if (seen.frame || s.size < 6 || s.data[0] != 8) return false;
  seen.frame = true;
  header.height = s.U16(1);
  header.width = s.U16(3);
  header.components = s.data[5];
  if (header.width == 0 || header.height == 0 || header.width > kMaxDimension || header.height > kMaxDimension || (header.components != 1 && header.components != 3)) return false;
  if (s.size != 6 + 3 * static_cast<size_t>(header.components)) return false;
  for (int i = 0; i < header.components; ++i) {
    const uint8_t* p = s.data + 6 + 3 * i;
    ComponentHeader& c = header.component[i];
    c.id = p[0];
    c.h = p[1] >> 4;
    c.v = p[1] & 15;
    c.quant_table = p[2];
    if (c.quant_table > 3) return false;
    for (int k = 0; k < i; ++k) {
      if (header.component[k].id == c.id) return false;
    }
  }
  ComponentHeader* c = header.component.data();
  if (header.components == 1) {
    // One component is not interleaved: its MCU is one block, whatever its sampling factors.
    if (c[0].h < 1 || c[0].h > 4 || c[0].v < 1 || c[0].v > 4) return false;
    c[0].h = c[0].v = 1;
    return true;
  }
  if (c[0].h < 1 || c[0].h > 2 || c[0].v < 1 || c[0].v > 2 || c[1].h != 1 || c[1].v != 1 || c[2].h != 1 || c[2].v != 1) return false;
  return c[0].h == 1 || (header.width + 1) / 2 > kTooNarrowToFilter;
}

void ReadApp(uint8_t marker, Segment s, Seen& seen, bool& good) {
  if (marker == kApp0 && s.size >= 14 && std::memcmp(s.data, "JFIF", 5) == 0) {
    seen.jfif = true;
    good = good && s.data[5] == 1;  // another major version is warned about
  } else if (marker == kApp14 && s.size >= 12 && std::memcmp(s.data, "Adobe", 5) == 0) {
    seen.adobe = true;
    seen.adobe_transform = s.data[11];
  }
}

/// Whether libjpeg takes three components for YCbCr, without doubt.
bool IsYcc(const Header& header, const Seen& seen) {
  if (seen.jfif) return true;
  if (seen.adobe) return seen.adobe_transform == 1;
  const ComponentHeader* c = header.component.data();
  return c[0].id == 1 && c[1].id == 2 && c[2].id == 3;
}

bool ReadScan(Segment s, Header& header, const Seen& seen) {
  const size_t n = static_cast<size_t>(header.components);
  if (!seen.frame || s.size != 4 + 2 * n || s.data[0] != n) return false;
  for (size_t i = 0; i < n; ++i) {
    ComponentHeader& c = header.component[i];
    if (s.data[1 + 2 * i] != c.id) return false;
    c.dc_table = s.data[2 + 2 * i] >> 4;
    c.ac_table = s.data[2 + 2 * i] & 15;
    if (c.dc_table > 3 || c.ac_table > 3) return false;
    if (!(seen.dc >> c.dc_table & 1) || !(seen.ac >> c.ac_table & 1) || !(seen.quant >> c.quant_table & 1)) return false;
  }
  const uint8_t* spectral = s.data + 1 + 2 * n;
  return spectral[0] == 0 && spectral[1] == 63 && spectral[2] == 0;
}

}  // namespace

bool ReadHeader(const uint8_t* data, size_t size, Header& header) {
  header = {};
  if (size < 4 || data[0] != 0xFF || data[1] != kSoi) return false;
  Seen seen;
  bool good = true;
  size_t at = 2;
  while (good) {
    if (size - at < 4 || data[at] != 0xFF) return false;
    while (data[at + 1] == 0xFF) {  // fill bytes
      ++at;
      if (size - at < 4) return false;
    }
    const uint8_t marker = data[at + 1];
    const size_t length = static_cast<size_t>(data[at + 2]) << 8 | data[at + 3];
    if (length < 2 || length > size - at - 2) return false;
    const Segment segment{data + at + 4, length - 2};
    at += 2 + length;
    if (marker == kSof0 || marker == kSof1) {
      good = ReadFrame(segment, header, seen);
    } else if (marker == kDht) {
      good = ReadHuffmanTables(segment, header, seen);
    } else if (marker == kDqt) {
      good = ReadQuantTables(segment, header, seen);
    } else if (marker == kDri) {
      good = segment.size == 2;
      if (good) header.restart_interval = segment.U16(0);
    } else if (marker >= kApp0 && marker <= kApp15) {
      ReadApp(marker, segment, seen, good);
    } else if (marker == kSos) {
      header.data_begin = at;
      return ReadScan(segment, header, seen) && (header.components == 1 || IsYcc(header, seen));
    } else if (marker != kCom) {
      return false;
    }
  }
  return false;
}

}  // namespace siam::data::jpeg
