#include "picture_info.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "../../base/error.h"
#include "../exif.h"
#include "../image.h"

namespace siam::data {
namespace {

constexpr uint8_t kPngSignature[] = {0x89, 'P', 'N', 'G', 0x0D, 0x0A, 0x1A, 0x0A};

uint32_t Big32(const uint8_t* p) { return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | p[3]; }
uint32_t Little32(const uint8_t* p) { return uint32_t{p[3]} << 24 | uint32_t{p[2]} << 16 | uint32_t{p[1]} << 8 | p[0]; }
uint32_t Little24(const uint8_t* p) { return uint32_t{p[2]} << 16 | uint32_t{p[1]} << 8 | p[0]; }
bool Is(const uint8_t* tag, const char* name) { return std::memcmp(tag, name, 4) == 0; }

/// The checksum of PNG's chunks (CRC-32 of IEEE 802.3). Only small chunks are looked at, so a byte at a time is quick enough.
uint32_t Crc32(const uint8_t* data, size_t size) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> made{};
    for (uint32_t n = 0; n < 256; ++n) {
      uint32_t c = n;
      for (int k = 0; k < 8; ++k) c = (c & 1) != 0 ? 0xEDB88320u ^ c >> 1 : c >> 1;
      made[n] = c;
    }
    return made;
  }();
  uint32_t crc = 0xFFFFFFFFu;
  for (size_t i = 0; i < size; ++i) crc = table[(crc ^ data[i]) & 0xFF] ^ crc >> 8;
  return crc ^ 0xFFFFFFFFu;
}

[[noreturn]] void Damaged(const char* format, const std::string& what, const std::string& file) {
  throw SiamException("ERR_DATA", std::string("Expected a ") + format + " frame but its header is damaged: " + what, file);
}

/// Sets the size as stored and as shown.
void SetSize(PictureInfo& info, const char* format, int64_t width, int64_t height, const std::string& file) {
  if (width <= 0 || height <= 0) Damaged(format, "it gives no size", file);
  // Each side first: the product of two sides of 32 bits may not fit.
  if (width > kMaxPixels || height > kMaxPixels || width * height > kMaxPixels) {
    throw SiamException("ERR_DATA", std::string("Expected a ") + format + " frame of at most 2^28 pixels but its header says " + std::to_string(width) + "x" +
                                        std::to_string(height), file);
  }
  info.stored_width = static_cast<int>(width);
  info.stored_height = static_cast<int>(height);
}

void Orient(PictureInfo& info, int orientation) {
  info.orientation = orientation;
  const bool swapped = OrientationSwapsAxes(orientation);
  info.width = swapped ? info.stored_height : info.stored_width;
  info.height = swapped ? info.stored_width : info.stored_height;
}

std::string EndsIn(const char* what, size_t at) { return std::string("it ends within ") + what + " that begins at byte " + std::to_string(at); }

bool IsPngDepth(int color, int depth) {
  switch (color) {
    case 0: return depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16;
    case 3: return depth == 1 || depth == 2 || depth == 4 || depth == 8;
    case 2: case 4: case 6: return depth == 8 || depth == 16;
    default: return false;
  }
}

}  // namespace

bool IsPng(const uint8_t* data, size_t size) { return size >= sizeof kPngSignature && std::memcmp(data, kPngSignature, sizeof kPngSignature) == 0; }

bool IsWebp(const uint8_t* data, size_t size) { return size >= 12 && Is(data, "RIFF") && Is(data + 8, "WEBP"); }

PictureInfo ReadPngInfo(const uint8_t* png, size_t size, const std::string& file) {
  constexpr size_t kFirst = sizeof kPngSignature, kHeaderSize = 13;
  PictureInfo info;
  info.format = PictureFormat::kPng;
  if (size < kFirst + 12 + kHeaderSize) Damaged("PNG", "the file has only " + std::to_string(size) + " bytes", file);
  const uint8_t* header = png + kFirst + 8;
  if (Big32(png + kFirst) != kHeaderSize || !Is(png + kFirst + 4, "IHDR")) Damaged("PNG", "its first chunk is not IHDR", file);
  if (Crc32(header - 4, kHeaderSize + 4) != Big32(header + kHeaderSize)) Damaged("PNG", "the checksum of IHDR is wrong", file);
  if (!IsPngDepth(header[9], header[8])) {
    Damaged("PNG", "there is no color type " + std::to_string(header[9]) + " with " + std::to_string(header[8]) + " bits a sample", file);
  }
  SetSize(info, "PNG", Big32(header), Big32(header + 4), file);
  info.interlaced = header[12] != 0;

  int orientation = 0;
  size_t at = kFirst + 12 + kHeaderSize;
  for (bool ended = false; !ended;) {
    if (at + 12 > size) {
      info.flaw = at == size ? "it ends before its last chunk, IEND" : EndsIn("a chunk", at);
      break;
    }
    const size_t length = Big32(png + at);
    if (length > size - at - 12) {
      info.flaw = EndsIn("a chunk", at);
      break;
    }
    const uint8_t* type = png + at + 4;
    ended = Is(type, "IEND");
    // The decoder passes over an eXIf chunk with a wrong checksum; the first good one counts.
    if (orientation == 0 && Is(type, "eXIf") && Crc32(type, length + 4) == Big32(type + 4 + length)) orientation = TiffOrientation(type + 4, length);
    at += 12 + length;
  }
  Orient(info, std::max(orientation, 1));
  return info;
}

PictureInfo ReadWebpInfo(const uint8_t* webp, size_t size, const std::string& file) {
  constexpr size_t kFirst = 12;
  PictureInfo info;
  info.format = PictureFormat::kWebp;
  // One byte of padding more than the parts need may be missing in files of some programs; the decoder takes them too.
  const size_t riff_end = size_t{Little32(webp + 4)} + 8;
  if (riff_end > size) info.flaw = "it has " + std::to_string(size) + " bytes of " + std::to_string(riff_end);
  const size_t end = std::min(size, riff_end);
  if (end < kFirst + 8) Damaged("WebP", "it has no chunk", file);
  const uint8_t* chunk = webp + kFirst;
  const size_t length = Little32(chunk + 4), there = std::min(length, end - kFirst - 8);
  const uint8_t* payload = chunk + 8;
  bool has_exif = false;
  if (Is(chunk, "VP8X")) {
    if (there < 10) Damaged("WebP", "VP8X is too short", file);
    has_exif = (payload[0] & 0x08) != 0;
    SetSize(info, "WebP", int64_t{Little24(payload + 4)} + 1, int64_t{Little24(payload + 7)} + 1, file);
  } else if (Is(chunk, "VP8 ")) {
    if (there < 10 || payload[3] != 0x9D || payload[4] != 0x01 || payload[5] != 0x2A) Damaged("WebP", "VP8 has no start code", file);
    SetSize(info, "WebP", (payload[6] | payload[7] << 8) & 0x3FFF, (payload[8] | payload[9] << 8) & 0x3FFF, file);
  } else if (Is(chunk, "VP8L")) {
    if (there < 5 || payload[0] != 0x2F) Damaged("WebP", "VP8L has no signature", file);
    const uint32_t bits = Little32(payload + 1);
    SetSize(info, "WebP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, file);
  } else {
    Damaged("WebP", "its first chunk is not VP8, VP8L or VP8X", file);
  }

  int orientation = 0;
  for (size_t at = kFirst; has_exif && at + 8 <= end;) {
    const size_t bytes = Little32(webp + at + 4);
    if (bytes > end - at - 8) break;
    if (Is(webp + at, "EXIF")) {
      orientation = TiffOrientation(webp + at + 8, bytes);
      break;
    }
    at += 8 + bytes + (bytes & 1);
  }
  Orient(info, std::max(orientation, 1));
  return info;
}

}  // namespace siam::data
