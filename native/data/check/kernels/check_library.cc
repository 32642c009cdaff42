#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "../../turbojpeg_api.h"
#include "blocks.h"
#include "check.h"

namespace siam::data::jpeg {
namespace {

constexpr int kPixelGray = 6;

// Of the library, and of use to this check only: planes to pixels without a JPEG between (and without filtered upsampling), and a
// JPEG's planes before upsampling.
using DecodePlanes = int (*)(tj::Handle, const unsigned char* const* planes, const int* strides, unsigned char* out, int width, int pitch,
                             int height, int pixel_format);
using DecompressToPlanes = int (*)(tj::Handle, const unsigned char* jpeg, size_t size, unsigned char** planes, int* strides);

struct Library {
  tj::Handle handle, encoder;
  DecodePlanes decode_planes;
  DecompressToPlanes to_planes;
};

void CheckIdct(const Library& library, Report& report) {
  constexpr int kAcross = 32, kBlocks = 32 * 32;
  const tj::Api& api = tj::Get();
  for (int kind = 0; kind < kBlockKinds; ++kind) {
    for (int scale = 0; scale < kQuantKinds; ++scale) {
      Random random(static_cast<uint64_t>(kind * 100 + scale));
      const auto quant = MakeQuant(scale, random);
      std::vector<Block> blocks(kBlocks);
      for (Block& block : blocks) block = MakeBlock(kind, random);
      const auto placed_quant = Placed(quant);
      const auto jpeg = CraftGrayJpeg(blocks, kAcross, quant);
      std::vector<uint8_t> theirs(kBlocks * 64);
      const int failed = api.Decompress8(library.handle, jpeg.data(), jpeg.size(), theirs.data(), 0, kPixelGray);
      report.Expect(failed == 0, "library", api.GetErrorStr(library.handle), "blocks", kind);
      for (int b = 0; b < kBlocks; ++b) {
        uint8_t ours[64];
        Block block = Placed(blocks[b]);
        PortableKernels().idct(block.data(), placed_quant.data(), ours, 8);
        bool equal = true;
        for (int y = 0; y < 8; ++y) {
          const uint8_t* row = theirs.data() + ((b / kAcross * 8 + y) * kAcross + b % kAcross) * 8;
          equal = equal && std::memcmp(ours + 8 * y, row, 8) == 0;
        }
        report.Expect(equal, "portable", "idct differs from the library's", BlockKindName(kind), scale);
      }
    }
  }
}

/// All 2^24 colours, a picture for each luma.
void CheckColours(const Library& library, Report& report) {
  const int strides[3] = {256, 256, 256};
  tj::Get().Set(library.handle, tj::kParamSubsampling, tj::kSubsampling444);
  std::vector<uint8_t> planes[3], theirs(65536 * 3);
  for (auto& plane : planes) plane.resize(65536);
  for (int i = 0; i < 65536; ++i) {
    planes[1][i] = static_cast<uint8_t>(i >> 8);
    planes[2][i] = static_cast<uint8_t>(i);
  }
  std::vector<uint8_t> ours(65536 * 3 + kRowSlack);
  for (int y = 0; y < 256; ++y) {
    std::memset(planes[0].data(), y, 65536);
    const unsigned char* const pointers[3] = {planes[0].data(), planes[1].data(), planes[2].data()};
    const int failed = library.decode_planes(library.handle, pointers, strides, theirs.data(), 256, 0, 256, tj::kPixelBgr);
    report.Expect(failed == 0, "library", tj::Get().GetErrorStr(library.handle), "luma", y);
    PortableKernels().ycc_to_bgr(planes[0].data(), planes[1].data(), planes[2].data(), 65536, ours.data());
    report.Expect(std::memcmp(ours.data(), theirs.data(), theirs.size()) == 0, "portable", "ycc_to_bgr differs from the library's", "luma", y);
  }
}

/// A picture as the library decodes it: its planes, and its pixels.
struct Decoded {
  int width, height, chroma_width, chroma_height;
  std::vector<uint8_t> planes[3], bgr;
};

/// Noise that hits the ends of the range, coded at `quality`.
Decoded DecodeNoise(const Library& library, int width, int height, int subsampling, int across, int down, int quality, Report& report) {
  const tj::Api& api = tj::Get();
  Random random(static_cast<uint64_t>(width * 100 + quality));
  Decoded decoded{width, height, (width + across - 1) / across, (height + down - 1) / down, {}, {}};
  std::vector<uint8_t> noise(static_cast<size_t>(width) * height * 3);
  for (uint8_t& sample : noise) sample = MakeSample(random);
  unsigned char* jpeg = nullptr;
  size_t size = 0;
  bool done = api.Set(library.encoder, tj::kParamQuality, quality) == 0 && api.Set(library.encoder, tj::kParamSubsampling, subsampling) == 0 &&
              api.Compress8(library.encoder, noise.data(), width, 0, height, tj::kPixelBgr, &jpeg, &size) == 0;
  const int strides_of[3] = {decoded.chroma_width * across, decoded.chroma_width, decoded.chroma_width};  // luma of whole chroma samples
  int strides[3];
  unsigned char* pointers[3];
  for (int c = 0; c < 3; ++c) {
    strides[c] = strides_of[c];
    decoded.planes[c].resize(static_cast<size_t>(strides[c]) * decoded.chroma_height * (c == 0 ? down : 1));
    pointers[c] = decoded.planes[c].data();
  }
  decoded.bgr.resize(noise.size());
  done = done && library.to_planes(library.handle, jpeg, size, pointers, strides) == 0 &&
         api.Decompress8(library.handle, jpeg, size, decoded.bgr.data(), 0, tj::kPixelBgr) == 0;
  report.Expect(done, "library", api.GetErrorStr(library.handle), "width", width);
  api.Free(jpeg);
  return decoded;
}

/// A chroma row with a copied sample before and behind it.
std::vector<uint8_t> Margined(const uint8_t* row, int count) {
  std::vector<uint8_t> padded(static_cast<size_t>(count) + 2 + kRowSlack);
  std::copy_n(row, count, padded.data() + 1);
  padded[0] = row[0];
  padded[count + 1] = row[count - 1];
  return padded;
}

/// Our BGR of row y, from the library's planes.
void OurRow(const Decoded& picture, int y, int across, int down, uint8_t* bgr) {
  const Kernels& kernels = PortableKernels();
  const int count = picture.chroma_width;
  const bool lower = y % 2 == 1;
  const int near = y / down, far = std::clamp(near + (lower ? 1 : -1), 0, picture.chroma_height - 1);
  std::vector<uint8_t> up[2];
  for (int c = 0; c < 2; ++c) {
    const uint8_t* plane = picture.planes[c + 1].data();
    const auto first = Margined(plane + static_cast<ptrdiff_t>(near) * count, count), second = Margined(plane + static_cast<ptrdiff_t>(far) * count, count);
    up[c].resize(2 * static_cast<size_t>(count) + kRowSlack);
    if (down == 1) {
      kernels.upsample_h2v1(first.data() + 1, count, up[c].data());
    } else if (across == 1) {
      kernels.upsample_h1v2(first.data() + 1, second.data() + 1, lower, count, up[c].data());
    } else {
      kernels.upsample_h2v2(first.data() + 1, second.data() + 1, count, up[c].data());
    }
  }
  kernels.ycc_to_bgr(picture.planes[0].data() + static_cast<ptrdiff_t>(y) * count * across, up[0].data(), up[1].data(), picture.width, bgr);
}

void CheckUpsampling(const Library& library, int subsampling, int across, int down, const char* name, Report& report) {
  for (const int quality : {100, 40}) {
    for (const int width : {5, 6, 7, 16, 31, 64, 131, 640}) {  // narrower chroma is repeated, not filtered
      const Decoded picture = DecodeNoise(library, width, 37, subsampling, across, down, quality, report);
      std::vector<uint8_t> ours(static_cast<size_t>(width) * 3 + kRowSlack);
      for (int y = 0; y < picture.height; ++y) {
        OurRow(picture, y, across, down, ours.data());
        const uint8_t* theirs = picture.bgr.data() + static_cast<ptrdiff_t>(y) * width * 3;
        report.Expect(std::memcmp(ours.data(), theirs, static_cast<size_t>(width) * 3) == 0, "portable", "upsampling differs from the library's", name, width);
      }
    }
  }
}

}  // namespace

void CheckAgainstLibrary(const char* path, Report& report) {
  tj::Load(path);
  void* opened = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
  Library library{tj::Get().Init(tj::kInitDecompress), tj::Get().Init(tj::kInitCompress),
                  reinterpret_cast<DecodePlanes>(dlsym(opened, "tj3DecodeYUVPlanes8")),
                  reinterpret_cast<DecompressToPlanes>(dlsym(opened, "tj3DecompressToYUVPlanes8"))};
  const bool complete = library.decode_planes != nullptr && library.to_planes != nullptr;
  report.Expect(complete, "library", "lacks functions on planes", "version", 3);
  if (complete) {
    CheckIdct(library, report);
    CheckColours(library, report);
    CheckUpsampling(library, tj::kSubsampling422, 2, 1, "4:2:2, width", report);
    CheckUpsampling(library, tj::kSubsampling440, 1, 2, "4:4:0, width", report);
    CheckUpsampling(library, tj::kSubsampling420, 2, 2, "4:2:0, width", report);
  }
  tj::Get().Destroy(library.handle);
  tj::Get().Destroy(library.encoder);
  dlclose(opened);
}

}  // namespace siam::data::jpeg
