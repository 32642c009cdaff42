#include "warp_kernels.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

namespace siam::data {
namespace {

void SampleRowPortable(const uint8_t* row, const ColumnTaps& taps, FloatRow out) { SampleColumnsPortable(row, taps, taps.begin, taps.end, out); }

constexpr PixelKernelTable kPortable{"baseline", nullptr, SampleRowPortable, BlendPlanarPortable, AddChannelsPortable};

std::atomic<const PixelKernelTable*> g_chosen{nullptr};

}  // namespace

void SampleColumnsPortable(const uint8_t* row, const ColumnTaps& taps, int begin, int end, FloatRow out) {
  for (int i = begin; i < end; ++i) {
    const uint8_t* p = row + 3 * static_cast<ptrdiff_t>(taps.left[i]);
    const float w = taps.weight[i];
    for (int c = 0; c < 3; ++c) {
      const float a = p[c], b = p[c + 3];
      out.values[c * out.plane + i] = a + w * (b - a);
    }
  }
}

void BlendPlanarPortable(FloatRow a, FloatRow b, float w, int count, uint8_t* plane_b, uint8_t* plane_g, uint8_t* plane_r) {
  uint8_t* planes[3] = {plane_b, plane_g, plane_r};
  for (int c = 0; c < 3; ++c) {
    const float *p = a.values + c * a.plane, *q = b.values + c * b.plane;
    for (int i = 0; i < count; ++i) planes[c][i] = static_cast<uint8_t>(std::nearbyint(p[i] + w * (q[i] - p[i])));
  }
}

void AddChannelsPortable(const uint8_t* bgr, size_t pixels, uint64_t* sums) {
  uint64_t b = 0, g = 0, r = 0;
  for (size_t i = 0; i < pixels; ++i) {
    b += bgr[3 * i];
    g += bgr[3 * i + 1];
    r += bgr[3 * i + 2];
  }
  sums[0] += b;
  sums[1] += g;
  sums[2] += r;
}

void BlendInterleaved(const PixelKernelTable& kernels, FloatRow a, FloatRow b, float w, int count, uint8_t* out) {
  constexpr int kPart = 256;
  uint8_t planes[3][kPart];
  for (int begin = 0; begin < count; begin += kPart) {
    const int part = std::min(kPart, count - begin);
    kernels.blend_planar({a.values + begin, a.plane}, {b.values + begin, b.plane}, w, part, planes[0], planes[1], planes[2]);
    for (int i = 0; i < part; ++i) {
      for (int c = 0; c < 3; ++c) out[3 * (begin + i) + c] = planes[c][i];
    }
  }
}

std::vector<const PixelKernelTable*> AllPixelKernels() {
  std::vector<const PixelKernelTable*> all;
  for (const PixelKernelTable* table : {Avx512PixelKernels(), Avx2PixelKernels(), &kPortable}) {
    if (table != nullptr) all.push_back(table);
  }
  return all;
}

bool UsePixelKernels(const char* name) {
  const auto all = AllPixelKernels();
  const auto found = *name == '\0' ? all.begin() : std::find_if(all.begin(), all.end(), [name](const auto* table) { return std::strcmp(table->name, name) == 0; });
  if (found == all.end()) return false;
  g_chosen.store(*found);
  return true;
}

const PixelKernelTable& PixelKernelsOfThisCpu() {
  const PixelKernelTable* chosen = g_chosen.load(std::memory_order_relaxed);
  if (chosen != nullptr) return *chosen;
  static const PixelKernelTable* const fastest = AllPixelKernels().front();
  return *fastest;
}

}  // namespace siam::data
