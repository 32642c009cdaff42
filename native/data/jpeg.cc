#include "jpeg.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>

#include "../base/error.h"
#include "exif.h"

namespace siam::data {
namespace {

// Frames beyond this are refused: a header of 20 bytes may otherwise ask for 12 GB.
constexpr int kMaxPixels = 1 << 28;
constexpr int kMaxScans = 500;

constexpr McuSize kMcuSizes[] = {{8, 8}, {16, 8}, {16, 16}, {8, 8}, {8, 16}, {32, 8}, {8, 32}};

/// What a file that is no JPEG starts with, printable.
std::string StartsWith(const uint8_t* data, size_t size) {
  std::string text;
  bool printable = true;
  const size_t count = std::min<size_t>(size, 16);
  for (size_t i = 0; i < count; ++i) {
    const bool shown = data[i] >= 0x20 && data[i] < 0x7F;
    if (!shown && data[i] != '\n' && data[i] != '\r' && data[i] != '\t') printable = false;
    text += shown ? static_cast<char>(data[i]) : ' ';
  }
  if (printable) return '"' + text + '"';
  std::string hex;
  for (size_t i = 0; i < std::min<size_t>(count, 8); ++i) {
    char byte[4];
    std::snprintf(byte, sizeof byte, "%02x ", data[i]);
    hex += byte;
  }
  hex.pop_back();
  return "bytes " + hex;
}

/// OpenCV's conversion of (inverted, as Adobe writes it) CMYK, bit by bit.
void CmykToBgr(const uint8_t* cmyk, size_t pixels, uint8_t* bgr) {
  for (size_t i = 0; i < pixels; ++i, cmyk += 4, bgr += 3) {
    const int k = cmyk[3];
    bgr[2] = static_cast<uint8_t>(k - ((255 - cmyk[0]) * k >> 8));
    bgr[1] = static_cast<uint8_t>(k - ((255 - cmyk[1]) * k >> 8));
    bgr[0] = static_cast<uint8_t>(k - ((255 - cmyk[2]) * k >> 8));
  }
}

/// Where pixel (x, y) as shown lies in the stored frame of width × height.
struct Turn {
  int orientation, width, height;

  void ToStored(int x, int y, int& stored_x, int& stored_y) const {
    const int right = width - 1, bottom = height - 1;
    switch (orientation) {
      case 2: stored_x = right - x; stored_y = y; return;
      case 3: stored_x = right - x; stored_y = bottom - y; return;
      case 4: stored_x = x; stored_y = bottom - y; return;
      case 5: stored_x = y; stored_y = x; return;
      case 6: stored_x = y; stored_y = bottom - x; return;
      case 7: stored_x = right - y; stored_y = bottom - x; return;
      case 8: stored_x = right - y; stored_y = x; return;
      default: stored_x = x; stored_y = y; return;
    }
  }

  Rect ToStored(const Rect& shown) const {
    int x0, y0, x1, y1;
    ToStored(shown.x, shown.y, x0, y0);
    ToStored(shown.x + shown.width - 1, shown.y + shown.height - 1, x1, y1);
    return {std::min(x0, x1), std::min(y0, y1), std::abs(x1 - x0) + 1, std::abs(y1 - y0) + 1};
  }
};

/// The frame's rectangle `stored` as shown: the inverse of Turn::ToStored for rectangles.
Rect ToShown(const JpegInfo& info, const Rect& stored) {
  const int right = info.stored_width - stored.x - stored.width;
  const int below = info.stored_height - stored.y - stored.height;
  switch (info.orientation) {
    case 2: return {right, stored.y, stored.width, stored.height};
    case 3: return {right, below, stored.width, stored.height};
    case 4: return {stored.x, below, stored.width, stored.height};
    case 5: return {stored.y, stored.x, stored.height, stored.width};
    case 6: return {below, stored.x, stored.height, stored.width};
    case 7: return {below, right, stored.height, stored.width};
    case 8: return {stored.y, right, stored.height, stored.width};
    default: return stored;
  }
}

}  // namespace

bool EndsWithEndMarker(const uint8_t* jpeg, size_t size) {
  size_t end = size;
  while (end > 2 && (jpeg[end - 1] == 0x00 || jpeg[end - 1] == 0xFF || jpeg[end - 1] == '\n' || jpeg[end - 1] == '\r')) --end;
  return end >= 2 && jpeg[end - 2] == 0xFF && jpeg[end - 1] == 0xD9;
}

McuSize McuOf(int subsampling) {
  return subsampling >= 0 && subsampling < static_cast<int>(std::size(kMcuSizes)) ? kMcuSizes[subsampling] : McuSize{};
}

tj::Handle MakeJpegHandle() {
  const tj::Api& api = tj::Get();
  const tj::Handle handle = api.Init(tj::kInitDecompress);
  if (handle == nullptr) throw SiamException("ERR_SETUP", "libturbojpeg could not make a decoder");
  api.Set(handle, tj::kParamFastUpsample, 0);
  api.Set(handle, tj::kParamFastDct, 0);
  api.Set(handle, tj::kParamScanLimit, kMaxScans);
  api.Set(handle, tj::kParamMaxPixels, kMaxPixels);
  return handle;
}

void ThrowIfDamaged(const tj::Api& api, tj::Handle handle, const std::string& file) {
  const std::string reason = api.GetErrorStr(handle);
  const bool warning = api.GetErrorCode(handle) == tj::kErrorWarning;
  // A warning about junk between segments loses no pixels; every other one means missing or wrong coefficients.
  if (warning && reason.find("extraneous bytes before marker") != std::string::npos) return;
  throw SiamException("ERR_DATA", "Expected a complete JPEG frame but it is truncated or corrupt: " + reason, file);
}

JpegDecoder::JpegDecoder() : api_(tj::Get()), handle_(MakeJpegHandle()) {}

JpegDecoder::~JpegDecoder() { api_.Destroy(handle_); }

void JpegDecoder::Fail(const std::string& file, const std::string& what) const { throw SiamException("ERR_DATA", what, file); }

JpegInfo JpegDecoder::Header(const uint8_t* jpeg, size_t size, const std::string& file) {
  if (size == 0) Fail(file, "Expected a JPEG frame but the file is empty");
  if (size < 3 || jpeg[0] != 0xFF || jpeg[1] != 0xD8 || jpeg[2] != 0xFF) {
    Fail(file, "Expected a JPEG frame but it starts with " + StartsWith(jpeg, size));
  }
  if (api_.DecompressHeader(handle_, jpeg, size) != 0 && api_.GetErrorCode(handle_) != tj::kErrorWarning) {
    Fail(file, std::string("Expected a JPEG frame but its header is damaged: ") + api_.GetErrorStr(handle_));
  }
  JpegInfo info;
  info.stored_width = api_.Get(handle_, tj::kParamWidth);
  info.stored_height = api_.Get(handle_, tj::kParamHeight);
  if (info.stored_width <= 0 || info.stored_height <= 0) Fail(file, "Expected a JPEG frame but its header gives no size");
  if (static_cast<int64_t>(info.stored_width) * info.stored_height > kMaxPixels) {
    Fail(file, "Expected a JPEG frame of at most 2^28 pixels but its header says " + std::to_string(info.stored_width) + "x" +
                   std::to_string(info.stored_height));
  }
  if (api_.Get(handle_, tj::kParamPrecision) != 8) {
    Fail(file, "Expected 8 bits a sample but the JPEG frame has " + std::to_string(api_.Get(handle_, tj::kParamPrecision)));
  }
  info.subsampling = api_.Get(handle_, tj::kParamSubsampling);
  info.colorspace = api_.Get(handle_, tj::kParamColorspace);
  if (api_.Get(handle_, tj::kParamLossless) == 1) info.subsampling = -1;  // no partial decoding of lossless JPEG
  info.orientation = ExifOrientation(jpeg, size);
  const bool swapped = OrientationSwapsAxes(info.orientation);
  info.width = swapped ? info.stored_height : info.stored_width;
  info.height = swapped ? info.stored_width : info.stored_height;
  return info;
}

void JpegDecoder::Run(const JpegInfo& info, const Rect& stored, const uint8_t* jpeg, size_t size, const std::string& file,
                      uint8_t* out) {
  // The library checks a region against the header that it read last, which may be another frame's: a pair's headers are both read first.
  const bool other = api_.Get(handle_, tj::kParamWidth) != info.stored_width || api_.Get(handle_, tj::kParamHeight) != info.stored_height ||
                     api_.Get(handle_, tj::kParamSubsampling) != info.subsampling;
  if (other) api_.DecompressHeader(handle_, jpeg, size);
  const bool whole = stored.width == info.stored_width && stored.height == info.stored_height;
  const tj::Region region = whole ? tj::Region{0, 0, 0, 0} : tj::Region{stored.x, stored.y, stored.width, stored.height};
  // The cropping region stays with the handle, so it is set for whole frames too.
  if (api_.SetCroppingRegion(handle_, region) != 0) {
    throw SiamException("ERR_INTERNAL", std::string("libturbojpeg refused a region: ") + api_.GetErrorStr(handle_), file);
  }
  const bool cmyk = info.colorspace == tj::kColorspaceCmyk || info.colorspace == tj::kColorspaceYcck;
  const size_t pixels = static_cast<size_t>(stored.width) * stored.height;
  if (cmyk) cmyk_.resize(pixels * 4);
  uint8_t* target = cmyk ? cmyk_.data() : out;
  if (api_.Decompress8(handle_, jpeg, size, target, stored.width * (cmyk ? 4 : 3), cmyk ? tj::kPixelCmyk : tj::kPixelBgr) != 0) {
    ThrowIfDamaged(api_, handle_, file);
  }
  if (cmyk) CmykToBgr(cmyk_.data(), pixels, out);
}

FrameView JpegDecoder::DecodeStored(const JpegInfo& info, const Rect& stored, const uint8_t* jpeg, size_t size,
                                    const std::string& file, std::vector<uint8_t>& out) {
  const size_t bytes = static_cast<size_t>(stored.width) * stored.height * 3;
  const bool upright = info.orientation == 1;
  std::vector<uint8_t>& buffer = upright ? out : turned_;
  if (buffer.size() < bytes + kPixelSlack) buffer.resize(bytes + kPixelSlack);
  Run(info, stored, jpeg, size, file, buffer.data());

  FrameView view;
  view.frame_width = info.width;
  view.frame_height = info.height;
  view.region = ToShown(info, stored);
  view.stride = static_cast<size_t>(view.region.width) * 3;
  if (!upright) {
    if (out.size() < bytes + kPixelSlack) out.resize(bytes + kPixelSlack);
    const Turn turn{info.orientation, info.stored_width, info.stored_height};
    for (int y = 0; y < view.region.height; ++y) {
      uint8_t* row = out.data() + view.stride * y;
      for (int x = 0; x < view.region.width; ++x) {
        int from_x, from_y;
        turn.ToStored(view.region.x + x, view.region.y + y, from_x, from_y);
        std::memcpy(row + 3 * x, turned_.data() + (static_cast<size_t>(from_y - stored.y) * stored.width + (from_x - stored.x)) * 3, 3);
      }
    }
  }
  view.pixels = out.data();
  return view;
}

FrameView JpegDecoder::Decode(const JpegInfo& info, const uint8_t* jpeg, size_t size, const std::string& file,
                              std::vector<uint8_t>& out) {
  return DecodeStored(info, {0, 0, info.stored_width, info.stored_height}, jpeg, size, file, out);
}

FrameView JpegDecoder::DecodeRegion(const JpegInfo& info, const Rect& wanted, const uint8_t* jpeg, size_t size,
                                    const std::string& file, std::vector<uint8_t>& out) {
  const int x0 = std::clamp(wanted.x, 0, info.width - 1), x1 = std::clamp(wanted.x + wanted.width, x0 + 1, info.width);
  const int y0 = std::clamp(wanted.y, 0, info.height - 1), y1 = std::clamp(wanted.y + wanted.height, y0 + 1, info.height);
  const auto [mcu_w, mcu_h] = McuOf(info.subsampling);
  if (mcu_w == 0 || !EndsWithEndMarker(jpeg, size)) return Decode(info, jpeg, size, file, out);

  const Rect stored = Turn{info.orientation, info.stored_width, info.stored_height}.ToStored(Rect{x0, y0, x1 - x0, y1 - y0});
  // One MCU more on each side: the upsampler's neighbours at the region's edge then are real ones for all wanted pixels.
  const int left = std::max(0, stored.x / mcu_w - 1) * mcu_w;
  const int right = std::min(info.stored_width, ((stored.x + stored.width + mcu_w - 1) / mcu_w + 1) * mcu_w);
  const int top = std::max(0, stored.y - mcu_h);
  const int bottom = std::min(info.stored_height, stored.y + stored.height + 2);
  return DecodeStored(info, {left, top, right - left, bottom - top}, jpeg, size, file, out);
}

std::vector<uint8_t> EncodeJpeg(const uint8_t* pixels, int width, int height, int pixel_format, int quality, int subsampling,
                                bool progressive, int restart_rows) {
  const tj::Api& api = tj::Get();
  std::unique_ptr<void, void (*)(void*)> handle(api.Init(tj::kInitCompress), api.Destroy);
  if (!handle) throw SiamException("ERR_SETUP", "libturbojpeg could not make an encoder");
  unsigned char* jpeg = nullptr;
  size_t size = 0;
  const bool done = api.Set(handle.get(), tj::kParamQuality, quality) == 0 &&
                    api.Set(handle.get(), tj::kParamSubsampling, subsampling) == 0 &&
                    api.Set(handle.get(), tj::kParamProgressive, progressive ? 1 : 0) == 0 &&
                    api.Set(handle.get(), tj::kParamRestartRows, restart_rows) == 0 &&
                    api.Compress8(handle.get(), pixels, width, 0, height, pixel_format, &jpeg, &size) == 0;
  const std::unique_ptr<unsigned char, void (*)(void*)> owner(jpeg, api.Free);
  if (!done) throw SiamException("ERR_ARGUMENT", std::string("JPEG encoding failed: ") + api.GetErrorStr(handle.get()));
  return std::vector<uint8_t>(jpeg, jpeg + size);
}

}  // namespace siam::data
