#include "jpeg.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>

#include "../base/error.h"
#include "exif.h"
#include "jpeg/baseline_decoder.h"
#include "scratch.h"
#include "turn.h"

namespace siam::data {
namespace {

constexpr int kMaxScans = 500;

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

}  // namespace

bool EndsWithEndMarker(const uint8_t* jpeg, size_t size) {
  size_t end = size;
  while (end > 2 && (jpeg[end - 1] == 0x00 || jpeg[end - 1] == 0xFF || jpeg[end - 1] == '\n' || jpeg[end - 1] == '\r')) --end;
  return end >= 2 && jpeg[end - 2] == 0xFF && jpeg[end - 1] == 0xD9;
}

void RenewJpegHandle(const tj::Api& api, tj::Handle& handle) {
  if (handle != nullptr) api.Destroy(handle);
  handle = api.Init(tj::kInitDecompress);
  if (handle == nullptr) throw SiamException("ERR_SETUP", "libturbojpeg could not make a decoder");
  api.Set(handle, tj::kParamFastUpsample, 0);
  api.Set(handle, tj::kParamFastDct, 0);
  api.Set(handle, tj::kParamScanLimit, kMaxScans);
  api.Set(handle, tj::kParamMaxPixels, kMaxPixels);
}

void ThrowIfDamaged(const tj::Api& api, tj::Handle handle, const std::string& file) {
  const std::string reason = api.GetErrorStr(handle);
  const bool warning = api.GetErrorCode(handle) == tj::kErrorWarning;
  // A warning about junk between segments loses no pixels; every other one means missing or wrong coefficients.
  if (warning && reason.find("extraneous bytes before marker") != std::string::npos) return;
  throw SiamException("ERR_DATA", "Expected a complete JPEG frame but it is truncated or corrupt: " + reason, file);
}

JpegDecoder::JpegDecoder() : api_(tj::Get()), own_(std::make_unique<jpeg::BaselineDecoder>()) { RenewJpegHandle(api_, handle_); }

JpegDecoder::~JpegDecoder() {
  if (handle_ != nullptr) api_.Destroy(handle_);
}

void JpegDecoder::Fail(const std::string& file, const std::string& what) const { throw SiamException("ERR_DATA", what, file); }

bool JpegDecoder::OwnHeader(const uint8_t* jpeg, size_t size, JpegInfo& info) {
  if (!own_enabled_ || !own_->Open(jpeg, size)) return false;
  info.stored_width = own_->width();
  info.stored_height = own_->height();
  info.subsampling = own_->subsampling();
  info.colorspace = own_->components() == 1 ? tj::kColorspaceGray : tj::kColorspaceYcc;
  return true;
}

void JpegDecoder::LibraryHeader(const uint8_t* jpeg, size_t size, const std::string& file, JpegInfo& info) {
  RenewJpegHandle(api_, handle_);
  if (api_.DecompressHeader(handle_, jpeg, size) != 0 && api_.GetErrorCode(handle_) != tj::kErrorWarning) {
    Fail(file, std::string("Expected a JPEG frame but its header is damaged: ") + api_.GetErrorStr(handle_));
  }
  info.stored_width = api_.Get(handle_, tj::kParamWidth);
  info.stored_height = api_.Get(handle_, tj::kParamHeight);
  if (info.stored_width <= 0 || info.stored_height <= 0) Fail(file, "Expected a JPEG frame but its header gives no size");
  if (api_.Get(handle_, tj::kParamPrecision) != 8) {
    Fail(file, "Expected 8 bits a sample but the JPEG frame has " + std::to_string(api_.Get(handle_, tj::kParamPrecision)));
  }
  info.subsampling = api_.Get(handle_, tj::kParamSubsampling);
  info.colorspace = api_.Get(handle_, tj::kParamColorspace);
  if (api_.Get(handle_, tj::kParamLossless) == 1) info.subsampling = -1;  // no partial decoding of lossless JPEG
}

JpegInfo JpegDecoder::Header(const uint8_t* jpeg, size_t size, const std::string& file) {
  if (size == 0) Fail(file, "Expected a JPEG, PNG or WebP frame but the file is empty");
  if (size < 3 || jpeg[0] != 0xFF || jpeg[1] != 0xD8 || jpeg[2] != 0xFF) {
    Fail(file, "Expected a JPEG, PNG or WebP frame but it starts with " + StartsWith(jpeg, size));
  }
  JpegInfo info;
  if (!OwnHeader(jpeg, size, info)) LibraryHeader(jpeg, size, file, info);
  if (static_cast<int64_t>(info.stored_width) * info.stored_height > kMaxPixels) {
    Fail(file, "Expected a JPEG frame of at most 2^28 pixels but its header says " + std::to_string(info.stored_width) + "x" +
                   std::to_string(info.stored_height));
  }
  info.orientation = ExifOrientation(jpeg, size);
  const bool swapped = OrientationSwapsAxes(info.orientation);
  info.width = swapped ? info.stored_height : info.stored_width;
  info.height = swapped ? info.stored_width : info.stored_height;
  return info;
}

void JpegDecoder::Run(const JpegInfo& info, const Rect& stored, const uint8_t* jpeg, size_t size, const std::string& file,
                      uint8_t* out) {
  RenewJpegHandle(api_, handle_);
  // A region is checked against the header that was read last.
  api_.DecompressHeader(handle_, jpeg, size);
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

uint8_t* JpegDecoder::Target(const JpegInfo& info, const Rect& stored, std::vector<uint8_t>& out) {
  const size_t bytes = static_cast<size_t>(stored.width) * stored.height * 3;
  std::vector<uint8_t>& buffer = info.orientation == 1 ? out : turned_;
  if (buffer.size() < bytes + kPixelSlack) buffer.resize(bytes + kPixelSlack);
  return buffer.data();
}

FrameView JpegDecoder::Shown(const JpegInfo& info, const Rect& stored, std::vector<uint8_t>& out) {
  const Turn turn{info.orientation, info.stored_width, info.stored_height};
  FrameView view;
  view.frame_width = info.width;
  view.frame_height = info.height;
  view.region = turn.ToShown(stored);
  view.stride = static_cast<size_t>(view.region.width) * 3;
  if (info.orientation != 1) {
    const size_t bytes = static_cast<size_t>(stored.width) * stored.height * 3;
    if (out.size() < bytes + kPixelSlack) out.resize(bytes + kPixelSlack);
    turn.Copy(turned_.data(), stored, view.region, out.data());
  }
  view.pixels = out.data();
  return view;
}

bool JpegDecoder::RunOwn(const JpegInfo& info, const Rect& wanted, const uint8_t* jpeg, size_t size, std::vector<uint8_t>& out, uint64_t* sums,
                         FrameView& view) {
  own_done_ = false;
  if (!own_enabled_ || !EndsWithEndMarker(jpeg, size) || !own_->Open(jpeg, size)) return false;
  if (own_->width() != info.stored_width || own_->height() != info.stored_height) return false;  // not what Header() has seen
  const Rect stored = own_->Enlarged(Turn{info.orientation, info.stored_width, info.stored_height}.ToStored(wanted));
  if (!own_->Decode(stored, Target(info, stored, out), sums)) return false;
  view = Shown(info, stored, out);
  own_done_ = true;
  return true;
}

FrameView JpegDecoder::RunLibrary(const JpegInfo& info, const Rect& stored, const uint8_t* jpeg, size_t size, const std::string& file,
                                  std::vector<uint8_t>& out) {
  Run(info, stored, jpeg, size, file, Target(info, stored, out));
  return Shown(info, stored, out);
}

FrameView JpegDecoder::Decode(const JpegInfo& info, const uint8_t* jpeg, size_t size, const std::string& file,
                              std::vector<uint8_t>& out) {
  FrameView view;
  if (RunOwn(info, {0, 0, info.width, info.height}, jpeg, size, out, nullptr, view)) return view;
  return RunLibrary(info, {0, 0, info.stored_width, info.stored_height}, jpeg, size, file, out);
}

FrameView JpegDecoder::DecodeRegion(const JpegInfo& info, const Rect& wanted, const uint8_t* jpeg, size_t size,
                                    const std::string& file, std::vector<uint8_t>& out) {
  const Rect shown = Clipped(wanted, info.width, info.height);
  FrameView view;
  if (RunOwn(info, shown, jpeg, size, out, nullptr, view)) return view;
  const auto [mcu_w, mcu_h] = McuOf(info.subsampling);
  if (mcu_w == 0 || !EndsWithEndMarker(jpeg, size)) return RunLibrary(info, {0, 0, info.stored_width, info.stored_height}, jpeg, size, file, out);

  const Rect stored = Turn{info.orientation, info.stored_width, info.stored_height}.ToStored(shown);
  // One MCU more on each side: the upsampler's neighbours at the region's edge then are real ones for all wanted pixels.
  const int left = std::max(0, stored.x / mcu_w - 1) * mcu_w;
  const int right = std::min(info.stored_width, ((stored.x + stored.width + mcu_w - 1) / mcu_w + 1) * mcu_w);
  const int top = std::max(0, stored.y - mcu_h);
  const int bottom = std::min(info.stored_height, stored.y + stored.height + 2);
  return RunLibrary(info, {left, top, right - left, bottom - top}, jpeg, size, file, out);
}

FrameView JpegDecoder::DecodeRegionAndMean(const JpegInfo& info, const Rect& wanted, const uint8_t* jpeg, size_t size, const std::string& file,
                                           std::vector<uint8_t>& out, Bgr& mean) {
  FrameView view;
  uint64_t sums[3];
  if (RunOwn(info, Clipped(wanted, info.width, info.height), jpeg, size, out, sums, view)) {
    const uint64_t pixels = static_cast<uint64_t>(info.width) * static_cast<uint64_t>(info.height);
    mean = {static_cast<uint8_t>(sums[0] / pixels), static_cast<uint8_t>(sums[1] / pixels), static_cast<uint8_t>(sums[2] / pixels)};
    return view;
  }
  view = RunLibrary(info, {0, 0, info.stored_width, info.stored_height}, jpeg, size, file, out);
  mean = TruncatedMean(view);
  return view;
}

void JpegDecoder::ReleaseHugeScratch() {
  ReleaseHuge(turned_);
  ReleaseHuge(cmyk_);
}

std::vector<uint8_t> EncodeJpeg(const uint8_t* pixels, int width, int height, int pixel_format, int quality, int subsampling,
                                const EncodeOptions& options) {
  const tj::Api& api = tj::Get();
  std::unique_ptr<void, void (*)(void*)> handle(api.Init(tj::kInitCompress), api.Destroy);
  if (!handle) throw SiamException("ERR_SETUP", "libturbojpeg could not make an encoder");
  unsigned char* jpeg = nullptr;
  size_t size = 0;
  const bool done = api.Set(handle.get(), tj::kParamQuality, quality) == 0 &&
                    api.Set(handle.get(), tj::kParamSubsampling, subsampling) == 0 &&
                    api.Set(handle.get(), tj::kParamProgressive, options.progressive ? 1 : 0) == 0 &&
                    api.Set(handle.get(), tj::kParamOptimize, options.optimize ? 1 : 0) == 0 &&
                    api.Set(handle.get(), tj::kParamRestartRows, options.restart_rows) == 0 &&
                    (options.restart_blocks == 0 || api.Set(handle.get(), tj::kParamRestartBlocks, options.restart_blocks) == 0) &&
                    api.Compress8(handle.get(), pixels, width, 0, height, pixel_format, &jpeg, &size) == 0;
  const std::unique_ptr<unsigned char, void (*)(void*)> owner(jpeg, api.Free);
  if (!done) throw SiamException("ERR_ARGUMENT", std::string("JPEG encoding failed: ") + api.GetErrorStr(handle.get()));
  return std::vector<uint8_t>(jpeg, jpeg + size);
}

}  // namespace siam::data
