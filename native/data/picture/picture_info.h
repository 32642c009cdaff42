// What the headers of PNG and WebP files say, read without any library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace siam::data {

enum class PictureFormat { kPng, kWebp };

struct PictureInfo {
  PictureFormat format = PictureFormat::kPng;
  int width = 0;   ///< as shown, EXIF orientation applied
  int height = 0;
  int stored_width = 0;
  int stored_height = 0;
  int orientation = 1;
  bool interlaced = false;  ///< PNG: the last rows come first, in part
  std::string flaw;         ///< why the bytes are not all of a file; empty when they are
};

/// Whether these are the first bytes of a PNG or WebP file.
bool IsPng(const uint8_t* data, size_t size);
bool IsWebp(const uint8_t* data, size_t size);

/// Reads size and orientation. The beginning of a file is enough for the size; what is missing of the rest is told in `flaw`.
/// @param file  named in the error     @throws ERR_DATA for a damaged header or more than 2^28 pixels
PictureInfo ReadPngInfo(const uint8_t* png, size_t size, const std::string& file);
PictureInfo ReadWebpInfo(const uint8_t* webp, size_t size, const std::string& file);

}  // namespace siam::data
