// The few functions of libvips that we use to decode PNG and WebP, declared by us (the npm package that carries the library ships no
// header) and bound at run time when a frame first needs them: who has JPEG frames only never loads the library.
#pragma once

#include <cstddef>
#include <string>

namespace siam::data::vips {

struct Image;   // VipsImage
struct Region;  // VipsRegion

// Values of libvips' enumerations VipsAccess, VipsFailOn and VipsBandFormat. They are part of its ABI.
constexpr int kAccessSequential = 1;
constexpr int kFailOnError = 2;
constexpr int kFormatUchar = 0;
constexpr int kFormatUshort = 2;

struct Api {
  // Both: bytes, their number, where the image goes, then names and values of options, ended by a null pointer.
  int (*PngLoad)(const void* data, size_t size, Image** out, ...);
  int (*WebpLoad)(const void* data, size_t size, Image** out, ...);
  int (*Width)(const Image*);
  int (*Height)(const Image*);
  int (*Bands)(const Image*);
  int (*Format)(const Image*);
  Region* (*NewRegion)(Image*);
  /// A copy of part of the picture, to be given to Free; null when decoding failed.
  unsigned char* (*Fetch)(Region*, int left, int top, int width, int height, size_t* size);
  char* (*ErrorText)();  ///< a copy, to be given to Free
  void (*ClearError)();
  void (*Unref)(void*);
  void (*Free)(void*);
};

/// Says where the library is. Nothing is opened yet. Thread: any.
void SetPath(const std::string& path);

/// @returns the functions; opens and starts the library at the first call.
/// @throws ERR_SETUP when it cannot be opened or is not libvips 8; later calls try again. Thread: any.
const Api& Get();

/// @returns the first warnings of all threads since the last call, one a line, or "". libpng's reason for an error is one.
std::string TakeWarnings();

/// @returns "8.18.7", or "" as long as the library is not open. Thread: any.
std::string Version();

/// @returns the path given to SetPath(), or "". Thread: any.
std::string Path();

}  // namespace siam::data::vips
