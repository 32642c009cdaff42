// The handful of TurboJPEG 3.1 functions that we use, declared by us (the npm package that carries the library ships no header) and
// bound at run time with dlopen, so that the addon loads, and says what is missing, on a machine without the library.
#pragma once

#include <cstddef>
#include <string>

namespace siam::data::tj {

using Handle = void*;

struct Region {
  int x, y, w, h;
};

/// tjtransform.
struct Transform {
  Region region;
  int operation;  ///< 0: none
  int options;
  void* data;
  int (*filter)(short*, Region, Region, int, int, Transform*);
};

struct ScalingFactor {
  int num, denom;
};

// Values of TurboJPEG 3.1's enumerations (turbojpeg.h: TJINIT, TJPF, TJSAMP, TJCS, TJPARAM, TJXOPT, TJERR). They are part of its ABI.
constexpr int kInitCompress = 0;
constexpr int kInitDecompress = 1;
constexpr int kInitTransform = 2;

constexpr int kPixelRgb = 0;
constexpr int kPixelBgr = 1;
constexpr int kPixelCmyk = 11;

constexpr int kSubsampling444 = 0;
constexpr int kSubsampling422 = 1;
constexpr int kSubsampling420 = 2;
constexpr int kSubsamplingGray = 3;
constexpr int kSubsampling440 = 4;
constexpr int kSubsampling411 = 5;
constexpr int kSubsampling441 = 6;

constexpr int kColorspaceYcc = 1;
constexpr int kColorspaceGray = 2;
constexpr int kColorspaceCmyk = 3;
constexpr int kColorspaceYcck = 4;

constexpr int kParamStopOnWarning = 0;
constexpr int kParamQuality = 3;
constexpr int kParamSubsampling = 4;
constexpr int kParamWidth = 5;
constexpr int kParamHeight = 6;
constexpr int kParamPrecision = 7;
constexpr int kParamColorspace = 8;
constexpr int kParamFastUpsample = 9;
constexpr int kParamFastDct = 10;
constexpr int kParamOptimize = 11;
constexpr int kParamProgressive = 12;
constexpr int kParamScanLimit = 13;
constexpr int kParamLossless = 15;
constexpr int kParamRestartBlocks = 18;
constexpr int kParamRestartRows = 19;
constexpr int kParamMaxPixels = 24;

constexpr int kTransformPerfect = 1;
constexpr int kTransformCrop = 4;
constexpr int kTransformCopyNone = 64;

constexpr int kErrorWarning = 0;

struct Api {
  Handle (*Init)(int init_type);
  void (*Destroy)(Handle);
  char* (*GetErrorStr)(Handle);
  int (*GetErrorCode)(Handle);
  int (*Set)(Handle, int param, int value);
  int (*Get)(Handle, int param);
  int (*DecompressHeader)(Handle, const unsigned char* jpeg, size_t size);
  int (*SetScalingFactor)(Handle, ScalingFactor factor);
  int (*SetCroppingRegion)(Handle, Region region);
  int (*Decompress8)(Handle, const unsigned char* jpeg, size_t size, unsigned char* out, int pitch, int pixel_format);
  int (*Compress8)(Handle, const unsigned char* pixels, int width, int pitch, int height, int pixel_format, unsigned char** jpeg,
                   size_t* size);
  int (*DoTransform)(Handle, const unsigned char* jpeg, size_t size, int count, unsigned char** jpegs, size_t* sizes, const Transform* transforms);
  void (*Free)(void*);
};

/// Opens the library. Later calls with any path are no-ops once one has succeeded (the library is shared by all environments).
/// @throws ERR_SETUP when it cannot be opened or is not TurboJPEG 3. Thread: any.
void Load(const std::string& path);

/// @returns the functions. @throws ERR_SETUP when Load() has not succeeded; the message repeats why. Thread: any.
const Api& Get();

/// @returns the path that was loaded, or "". Thread: any.
std::string LoadedPath();

/// @returns the library's API level, "3.1" or "3.0" (TurboJPEG has no call that tells its version), or "". Thread: any.
std::string ApiLevel();

}  // namespace siam::data::tj
