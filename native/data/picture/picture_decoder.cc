#include "picture_decoder.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <shared_mutex>

#include "../../base/error.h"
#include "../jpeg.h"
#include "../turn.h"

namespace siam::data {
namespace {

/// Rows fetched at a time: what libvips itself keeps of a file that is read from top to bottom.
constexpr int kStripRows = 16;

// libvips has one text of errors for all threads. Decoding shares this lock; who failed takes it alone, decodes again, and so has a text that
// is about no other frame.
std::shared_mutex g_errors;

/// One row of 8-bit samples → BGR.
void RowToBgr(const uint8_t* from, int width, int bands, uint8_t* to) {
  if (bands < 3) {
    for (int x = 0; x < width; ++x, from += bands, to += 3) to[0] = to[1] = to[2] = from[0];
    return;
  }
  for (int x = 0; x < width; ++x, from += bands, to += 3) {
    to[0] = from[2];
    to[1] = from[1];
    to[2] = from[0];
  }
}

/// One row of 16-bit samples → BGR of their upper bytes, in place of rounding: as libpng's png_set_strip_16.
void WideRowToBgr(const uint16_t* from, int width, int bands, uint8_t* to) {
  const int green = bands < 3 ? 0 : 1, blue = bands < 3 ? 0 : 2;
  for (int x = 0; x < width; ++x, from += bands, to += 3) {
    to[0] = static_cast<uint8_t>(from[blue] >> 8);
    to[1] = static_cast<uint8_t>(from[green] >> 8);
    to[2] = static_cast<uint8_t>(from[0] >> 8);
  }
}

const char* Name(PictureFormat format) { return format == PictureFormat::kPng ? "PNG" : "WebP"; }

/// The library's text on one line.
std::string OneLine(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  text.erase(0, text.find_first_not_of('\n'));
  std::string line;
  for (const char c : text) {
    if (c == '\n') line += "; ";
    else line += static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7E ? '?' : c;
  }
  return line;
}

}  // namespace

bool PictureDecoder::Run(const PictureInfo& info, const Rect& stored, const uint8_t* data, size_t size, uint8_t* out) {
  vips::Image* loaded = nullptr;
  const auto load = info.format == PictureFormat::kPng ? api_.PngLoad : api_.WebpLoad;
  const void* end = nullptr;
  if (load(data, size, &loaded, "access", vips::kAccessSequential, "fail_on", vips::kFailOnError, end) != 0) return false;
  const std::unique_ptr<vips::Image, void (*)(void*)> image(loaded, api_.Unref);
  // Memory was sized by our reading of the header.
  if (api_.Width(loaded) != info.stored_width || api_.Height(loaded) != info.stored_height) return false;
  const int bands = api_.Bands(loaded), format = api_.Format(loaded);
  if (bands < 1 || bands > 4 || (format != vips::kFormatUchar && format != vips::kFormatUshort)) return false;
  // A region works in the calling thread; libvips' other ways to read an image hand it to threads of its own.
  const std::unique_ptr<vips::Region, void (*)(void*)> region(api_.NewRegion(loaded), api_.Unref);
  if (!region) return false;
  const size_t row = static_cast<size_t>(stored.width) * static_cast<size_t>(bands) * (format == vips::kFormatUshort ? 2 : 1);
  for (int top = 0; top < stored.height; top += kStripRows) {
    const int rows = std::min(kStripRows, stored.height - top);
    size_t bytes = 0;
    const std::unique_ptr<unsigned char, void (*)(void*)> strip(api_.Fetch(region.get(), stored.x, stored.y + top, stored.width, rows, &bytes), api_.Free);
    if (!strip || bytes != row * static_cast<size_t>(rows)) return false;
    for (int y = 0; y < rows; ++y) {
      const uint8_t* from = strip.get() + row * static_cast<size_t>(y);
      uint8_t* to = out + static_cast<size_t>(top + y) * static_cast<size_t>(stored.width) * 3;
      if (format == vips::kFormatUshort) WideRowToBgr(reinterpret_cast<const uint16_t*>(from), stored.width, bands, to);
      else RowToBgr(from, stored.width, bands, to);
    }
  }
  return true;
}

FrameView PictureDecoder::DecodeStored(const PictureInfo& info, const Rect& stored, const uint8_t* data, size_t size, const std::string& file,
                                       std::vector<uint8_t>& out) {
  const std::string expected = std::string("Expected a complete ") + Name(info.format) + " frame but it is ";
  if (!info.flaw.empty()) throw SiamException("ERR_DATA", expected + "truncated: " + info.flaw, file);
  const size_t bytes = static_cast<size_t>(stored.width) * static_cast<size_t>(stored.height) * 3;
  const bool upright = info.orientation == 1;
  std::vector<uint8_t>& buffer = upright ? out : turned_;
  if (buffer.size() < bytes + kPixelSlack) buffer.resize(bytes + kPixelSlack);
  bool done;
  {
    const std::shared_lock<std::shared_mutex> lock(g_errors);
    done = Run(info, stored, data, size, buffer.data());
  }
  if (!done) {
    const std::unique_lock<std::shared_mutex> lock(g_errors);
    api_.ClearError();
    vips::TakeWarnings();
    if (!Run(info, stored, data, size, buffer.data())) {
      const std::unique_ptr<char, void (*)(void*)> text(api_.ErrorText(), api_.Free);
      api_.ClearError();
      const std::string reason = OneLine(vips::TakeWarnings() + '\n' + (text ? text.get() : ""));
      throw SiamException("ERR_DATA", expected + "truncated or corrupt: " + (reason.empty() ? "its header and its content disagree" : reason), file);
    }
  }

  const Turn turn{info.orientation, info.stored_width, info.stored_height};
  FrameView view;
  view.frame_width = info.width;
  view.frame_height = info.height;
  view.region = turn.ToShown(stored);
  view.stride = static_cast<size_t>(view.region.width) * 3;
  if (!upright) {
    if (out.size() < bytes + kPixelSlack) out.resize(bytes + kPixelSlack);
    turn.Copy(turned_.data(), stored, view.region, out.data());
  }
  view.pixels = out.data();
  return view;
}

FrameView PictureDecoder::Decode(const PictureInfo& info, const uint8_t* data, size_t size, const std::string& file, std::vector<uint8_t>& out) {
  return DecodeStored(info, {0, 0, info.stored_width, info.stored_height}, data, size, file, out);
}

FrameView PictureDecoder::DecodeRegion(const PictureInfo& info, const Rect& wanted, const uint8_t* data, size_t size, const std::string& file,
                                       std::vector<uint8_t>& out) {
  const Rect stored = Turn{info.orientation, info.stored_width, info.stored_height}.ToStored(Clipped(wanted, info.width, info.height));
  return DecodeStored(info, stored, data, size, file, out);
}

}  // namespace siam::data
