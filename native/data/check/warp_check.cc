#include "warp_check.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "../frame_decoder.h"
#include "../warp.h"

using namespace siam::data;

namespace {

using Random = std::mt19937;

double Between(Random& random, double low, double high) { return std::uniform_real_distribution<double>(low, high)(random); }

/// A part of a picture in a block of exactly its size, so that a sanitizer sees what is read beyond it.
struct Part {
  std::unique_ptr<uint8_t[]> pixels;
  FrameView view;
};

Part MakePart(Random& random, const CropSquare& crop, int width, int height, const PixelGrid& grid) {
  Part part;
  part.view.frame_width = width;
  part.view.frame_height = height;
  part.view.grid = grid;
  const int picture_width = static_cast<int>(width / grid.x.step) + 1, picture_height = static_cast<int>(height / grid.y.step) + 1;
  const Rect wanted = ToPicture(grid, Footprint(crop));
  const int x0 = std::clamp(wanted.x, 0, picture_width - 1), x1 = std::clamp(wanted.x + wanted.width, x0 + 1, picture_width);
  const int y0 = std::clamp(wanted.y, 0, picture_height - 1), y1 = std::clamp(wanted.y + wanted.height, y0 + 1, picture_height);
  part.view.region = {x0, y0, x1 - x0, y1 - y0};
  part.view.stride = 3 * static_cast<size_t>(x1 - x0);
  const size_t bytes = part.view.stride * static_cast<size_t>(y1 - y0);
  part.pixels.reset(new uint8_t[bytes]);
  for (size_t i = 0; i < bytes; ++i) part.pixels[i] = static_cast<uint8_t>(random());
  part.view.pixels = part.pixels.get();
  return part;
}

void CheckCrops(void (*expect)(bool, const char*)) {
  Random random(5);
  WarpScratch scratch;
  for (int run = 0; run < 1500; ++run) {
    const int width = 1 + static_cast<int>(random() % 200), height = 1 + static_cast<int>(random() % 120);
    const int size = 2 + static_cast<int>(random() % 80);
    const CropSquare crop{Between(random, -0.3 * width, 1.3 * width), Between(random, -0.3 * height, 1.3 * height), Between(random, 0.5, 300), size};
    PixelGrid grid;
    if (run % 3 == 1) grid = {{0.5, 2}, {0.5, 2}};
    if (run % 3 == 2) grid = {{Between(random, -0.5, 0.5), Between(random, 0.5, 4)}, {Between(random, -0.5, 0.5), Between(random, 0.5, 4)}};
    const Part part = MakePart(random, crop, width, height, grid);
    const size_t bytes = 3 * static_cast<size_t>(size) * size;
    std::unique_ptr<uint8_t[]> expected;
    for (const PixelLayout layout : {PixelLayout::kPlanar, PixelLayout::kInterleaved}) {
      expected.reset();
      for (const PixelKernelTable* table : AllPixelKernels()) {
        UsePixelKernels(table->name);
        std::unique_ptr<uint8_t[]> out(new uint8_t[bytes]);
        WarpCrop(part.view, crop, {1, 2, 3}, layout, scratch, out.get());
        if (expected) expect(std::memcmp(out.get(), expected.get(), bytes) == 0, "crops have the same bits from each instruction set");
        if (!expected) expected = std::move(out);
      }
    }
  }
  UsePixelKernels("");
}

void CheckReduced(void (*expect)(bool, const char*)) {
  Random random(6);
  FrameDecoder decoder;
  std::vector<uint8_t> pixels;
  for (const int subsampling : {tj::kSubsampling420, tj::kSubsampling422, tj::kSubsampling444}) {
    const int width = 203, height = 151;
    std::vector<uint8_t> picture(3 * static_cast<size_t>(width) * height);
    for (size_t i = 0; i < picture.size(); ++i) picture[i] = static_cast<uint8_t>(i * 7 >> 4);
    const auto jpeg = EncodeJpeg(picture.data(), width, height, tj::kPixelBgr, 85, subsampling);
    const FrameInfo info = decoder.Header(jpeg.data(), jpeg.size(), "");
    for (int run = 0; run < 300; ++run) {
      const Rect wanted{static_cast<int>(random() % 260) - 30, static_cast<int>(random() % 200) - 30, 1 + static_cast<int>(random() % 200),
                        1 + static_cast<int>(random() % 150)};
      const int reduction = 2 << (run % 3);
      const FrameView view = decoder.DecodeRegionScaled(info, wanted, reduction, jpeg.data(), jpeg.size(), "", pixels);
      expect(view.grid.x.step == reduction && view.region.x >= 0 && view.region.x + view.region.width <= (width + reduction - 1) / reduction,
             "a frame decoded smaller lies in its picture");
    }
  }
}

}  // namespace

void CheckWarp(void (*expect)(bool, const char*)) {
  CheckCrops(expect);
  CheckReduced(expect);
}
