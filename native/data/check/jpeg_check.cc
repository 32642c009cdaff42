#include "jpeg_check.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "../../base/error.h"
#include "../jpeg.h"

using namespace siam::data;

namespace {

using Expect = void (*)(bool holds, const char* what);
using Bytes = std::vector<uint8_t>;

struct Random {
  std::mt19937_64 engine;
  int Below(int n) { return static_cast<int>(engine() % static_cast<uint64_t>(n)); }
  int Between(int low, int high) { return low + Below(high - low + 1); }
  bool OneIn(int n) { return Below(n) == 0; }
};

/// Smooth parts, edges and noise, so that blocks of all kinds occur.
Bytes Picture(Random& random, int width, int height) {
  Bytes pixels(static_cast<size_t>(width) * height * 3);
  const int noise = random.OneIn(3) ? 0 : random.Between(1, 255), a = random.Below(9), b = random.Below(9), edge = random.Between(3, 40);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) {
        const int flat = x * a + y * b * (c + 1) + ((x / edge) ^ (y / edge)) % 3 * 80;
        pixels[(static_cast<size_t>(y) * width + x) * 3 + c] = static_cast<uint8_t>((noise > 0 && x > width / 3 ? random.Below(noise) : 0) + flat);
      }
    }
  }
  return pixels;
}

Bytes RandomJpeg(Random& random, int& subsampling) {
  constexpr int kinds[] = {tj::kSubsampling444, tj::kSubsampling422, tj::kSubsampling420, tj::kSubsampling440, tj::kSubsamplingGray};
  subsampling = random.OneIn(3) ? tj::kSubsampling420 : kinds[random.Below(5)];
  const int largest = random.OneIn(8) ? 400 : 90;
  const int width = random.Between(1, largest), height = random.Between(1, largest);
  EncodeOptions options;
  options.optimize = random.OneIn(3);
  if (random.OneIn(3)) options.restart_rows = random.Between(1, 3);
  else if (random.OneIn(2)) options.restart_blocks = random.Between(1, 40);
  const int quality = random.OneIn(6) ? 100 : random.Between(1, 100);
  return EncodeJpeg(Picture(random, width, height).data(), width, height, tj::kPixelBgr, quality, subsampling, options);
}

Rect RandomRegion(Random& random, int width, int height) {
  Rect region{random.Below(width), random.Below(height), 0, 0};
  region.width = random.Between(1, width - region.x);
  region.height = random.Between(1, height - region.y);
  return region;
}

bool SamePart(const FrameView& a, const FrameView& b, const Rect& part) {
  const auto row = [&](const FrameView& view, int y) { return view.pixels + view.stride * (y - view.region.y) + 3 * (part.x - view.region.x); };
  if (!a.region.Contains(part) || !b.region.Contains(part)) return false;
  for (int y = part.y; y < part.y + part.height; ++y) {
    if (std::memcmp(row(a, y), row(b, y), static_cast<size_t>(part.width) * 3) != 0) return false;
  }
  return true;
}

/// A decoder with what it gave last.
struct Side {
  JpegDecoder decoder;
  Bytes pixels;
  FrameView view;
  Bgr mean;
  std::string error;

  explicit Side(bool own) { decoder.UseOwn(own); }

  template <typename Call>
  bool Try(Call call) {
    error.clear();
    try {
      view = call();
    } catch (const siam::SiamException& problem) {
      error = problem.what();
    }
    return error.empty();
  }
  bool Region(const JpegInfo& info, const Rect& region, const Bytes& jpeg) {
    return Try([&] { return decoder.DecodeRegion(info, region, jpeg.data(), jpeg.size(), "", pixels); });
  }
  bool RegionAndMean(const JpegInfo& info, const Rect& region, const Bytes& jpeg) {
    return Try([&] { return decoder.DecodeRegionAndMean(info, region, jpeg.data(), jpeg.size(), "", pixels, mean); });
  }
};

bool SameMean(const Bgr& a, const Bgr& b) { return a.b == b.b && a.g == b.g && a.r == b.r; }

/// What libturbojpeg writes for the whole frame, however damaged it finds it.
struct Whatever {
  Bytes pixels;
  FrameView view;

  void Decode(const JpegInfo& info, const Bytes& jpeg) {
    pixels.assign(static_cast<size_t>(info.width) * info.height * 3, 0);
    const tj::Handle handle = tj::Get().Init(tj::kInitDecompress);
    tj::Get().Decompress8(handle, jpeg.data(), jpeg.size(), pixels.data(), info.width * 3, tj::kPixelBgr);
    tj::Get().Destroy(handle);
    view = {pixels.data(), static_cast<size_t>(info.width) * 3, {0, 0, info.width, info.height}, info.width, info.height, {}};
  }
};

void Damage(Random& random, Bytes& jpeg) {
  const int kind = random.Below(10), count = random.OneIn(3) ? random.Between(2, 6) : 1;
  // Mostly behind the header, where it matters.
  const auto place = [&] { return static_cast<size_t>(random.OneIn(4) ? random.Below(static_cast<int>(jpeg.size())) : random.Between(static_cast<int>(jpeg.size()) / 3, static_cast<int>(jpeg.size()) - 1)); };
  for (int i = 0; i < count && jpeg.size() > 8; ++i) {
    const size_t at = place();
    const auto it = jpeg.begin() + static_cast<ptrdiff_t>(at);
    const auto rest = static_cast<int>(jpeg.size() - at);
    if (kind < 4) jpeg[at] = static_cast<uint8_t>(random.Below(256));
    else if (kind < 6) jpeg[at] = static_cast<uint8_t>(jpeg[at] ^ (1 << random.Below(8)));
    else if (kind == 6) jpeg.insert(it, random.OneIn(2) ? 0xFF : static_cast<uint8_t>(random.Below(256)));
    else if (kind == 7) jpeg.erase(it, it + random.Between(1, std::min(rest, 20)));
    else if (kind == 8) jpeg.insert(it, {0xFF, static_cast<uint8_t>(random.Between(0xD0, 0xD9))});
    else if (random.OneIn(2)) jpeg.resize(at + 1);
    else jpeg.insert(it, jpeg.begin() + static_cast<ptrdiff_t>(at / 2), it);
  }
  if (random.OneIn(2)) jpeg.insert(jpeg.end(), {0xFF, 0xD9});  // with its end marker, a cut is found by other means
}

void CheckGood(Random& random, Side& ours, Side& theirs, Expect expect) {
  int subsampling;
  const Bytes jpeg = RandomJpeg(random, subsampling);
  const JpegInfo info = ours.decoder.Header(jpeg.data(), jpeg.size(), "");
  theirs.decoder.Header(jpeg.data(), jpeg.size(), "");
  const Rect all{0, 0, info.width, info.height};
  const bool narrow = info.width <= 4 && (subsampling == tj::kSubsampling420 || subsampling == tj::kSubsampling422);
  expect(theirs.RegionAndMean(info, all, jpeg), "libturbojpeg decodes a good frame");
  for (int i = 0; i < 4; ++i) {
    const Rect region = i == 0 ? all : RandomRegion(random, info.width, info.height);
    expect(ours.Region(info, region, jpeg) && ours.decoder.own_done() == !narrow, "our decoder decodes a region of a good frame");
    expect(SamePart(ours.view, theirs.view, region), "a region has libturbojpeg's pixels");
    expect(ours.RegionAndMean(info, region, jpeg) && ours.decoder.own_done() == !narrow, "our decoder gives region and mean of a good frame");
    expect(SamePart(ours.view, theirs.view, region) && SameMean(ours.mean, theirs.mean), "a region decoded with the mean has libturbojpeg's pixels and mean");
  }
}

struct Counts {
  int headers = 0, own = 0, only_ours = 0, both = 0, neither = 0;
};

void CheckDamaged(Random& random, Side& ours, Side& theirs, Whatever& whatever, Expect expect, Counts& counts) {
  int subsampling;
  Bytes jpeg = RandomJpeg(random, subsampling);
  Damage(random, jpeg);
  jpeg.shrink_to_fit();  // so that a sanitizer sees what is read behind the end
  JpegInfo info;
  if (!ours.Try([&] { return info = ours.decoder.Header(jpeg.data(), jpeg.size(), ""), FrameView{}; })) {
    ++counts.headers;
    return;
  }
  if (static_cast<int64_t>(info.width) * info.height > 1 << 20) return;  // a size that damage made: right, but slow
  theirs.Try([&] { return theirs.decoder.Header(jpeg.data(), jpeg.size(), ""), FrameView{}; });
  const Rect all{0, 0, info.width, info.height}, region = RandomRegion(random, info.width, info.height);

  const bool lib = theirs.Region(info, region, jpeg), best = ours.Region(info, region, jpeg);
  ++(lib ? best ? counts.both : counts.neither : best ? counts.only_ours : counts.neither);
  counts.own += ours.decoder.own_done();
  if (lib) expect(best && SamePart(ours.view, theirs.view, region), "what libturbojpeg decodes, we decode to the same");
  if (!lib && !best) expect(ours.error == theirs.error, "errors are libturbojpeg's");
  if (best && ours.decoder.own_done()) {
    whatever.Decode(info, jpeg);
    expect(SamePart(ours.view, whatever.view, region), "what our decoder gives is what libturbojpeg writes, whatever that says of it");
  }
  if (!lib && info.orientation == 1) {
    // All MCUs that libturbojpeg read: down to two rows of them below the region.
    const Rect read{0, 0, info.width, std::min(info.height, region.y + region.height + 34)};
    expect(!ours.Region(info, read, jpeg), "damage in what is read is noticed");
  }
  const bool lib_whole = theirs.RegionAndMean(info, all, jpeg), best_whole = ours.RegionAndMean(info, region, jpeg);
  expect(lib_whole == best_whole && ours.error == theirs.error, "damage anywhere is noticed when the mean is wanted");
  if (best_whole) expect(SamePart(ours.view, theirs.view, region) && SameMean(ours.mean, theirs.mean), "region and mean of a damaged frame are libturbojpeg's");
}

}  // namespace

void CheckJpegDecoder(uint64_t seed, int rounds, Expect expect) {
  Random random{std::mt19937_64(seed)};
  Side ours(true), theirs(false);
  Whatever whatever;
  for (int i = 0; i < rounds / 10 + 1; ++i) CheckGood(random, ours, theirs, expect);
  Counts counts;
  for (int i = 0; i < rounds; ++i) CheckDamaged(random, ours, theirs, whatever, expect, counts);
  std::printf("damaged JPEGs: %d bad headers; regions: %d decoded by both (%d in all by our decoder), %d by ours alone, %d errors\n", counts.headers,
              counts.both, counts.own, counts.only_ours, counts.neither);
}
