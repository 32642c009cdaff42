#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "winograd.h"

namespace siam::kernels {

namespace {

constexpr int kSide = 6;

/// One kernel g [r,r] at the 36 points: G g Gᵀ, in float64 because it is done once.
void transform(const float* g, int64_t r, double* u) {
  constexpr double points[kSide - 1] = {0, 1, -1, 2, -2}, divisors[kSide - 1] = {4, -6, -6, 24, 24};
  std::vector<double> G(kSide * r, 0.0), half(kSide * r, 0.0);
  for (int i = 0; i < kSide - 1; i++) {
    for (int64_t j = 0; j < r; j++) G[i * r + j] = std::pow(points[i], static_cast<double>(j)) / divisors[i];
  }
  G[(kSide - 1) * r + r - 1] = 1;
  for (int i = 0; i < kSide; i++) {
    for (int64_t j = 0; j < r; j++) {
      for (int64_t k = 0; k < r; k++) half[i * r + j] += G[i * r + k] * static_cast<double>(g[k * r + j]);
    }
  }
  for (int i = 0; i < kSide; i++) {
    for (int j = 0; j < kSide; j++) {
      double sum = 0;
      for (int64_t k = 0; k < r; k++) sum += half[i * r + k] * G[j * r + k];
      u[i * kSide + j] = sum;
    }
  }
}

/// Calls store(point, channel, lane, value) for all of a block.
template <class Store>
void each(const float* w, int64_t C, int64_t r, int64_t block, Store store) {
  double u[kWinogradPoints];
  for (int64_t lane = 0; lane < kWinogradBlock; lane++) {
    for (int64_t c = 0; c < C; c++) {
      transform(w + ((block * kWinogradBlock + lane) * C + c) * r * r, r, u);
      for (int64_t p = 0; p < kWinogradPoints; p++) store(p, c, lane, u[p]);
    }
  }
}

}  // namespace

bool winograd_available(bool words) {
  static const bool off = std::getenv("SIAMFCPP_NO_AVX512") != nullptr;
  if (off) return false;
#if defined(__x86_64__) && defined(__GNUC__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && (!words || __builtin_cpu_supports("avx512vnni"));
#else
  return false;
#endif
}

void winograd_pack(const float* w, int64_t O, int64_t C, int64_t r, float* packed) {
  for (int64_t block = 0; block < O / kWinogradBlock; block++) {
    float* to = packed + block * kWinogradPoints * C * kWinogradBlock;
    each(w, C, r, block, [&](int64_t p, int64_t c, int64_t lane, double value) { to[(p * C + c) * kWinogradBlock + lane] = static_cast<float>(value); });
  }
}

void winograd_pack(const float* w, int64_t O, int64_t C, int64_t r, int16_t* packed, float* scales) {
  std::vector<double> largest(kWinogradPoints * kWinogradBlock);
  const double word_most = winograd_word(C);
  for (int64_t block = 0; block < O / kWinogradBlock; block++) {
    std::fill(largest.begin(), largest.end(), 0.0);
    each(w, C, r, block, [&](int64_t p, int64_t, int64_t lane, double value) {
      double& most = largest[p * kWinogradBlock + lane];
      most = std::max(most, std::abs(value));
    });
    int16_t* to = packed + block * kWinogradPoints * C * kWinogradBlock;
    float* units = scales + block * kWinogradPoints * kWinogradBlock;
    for (int64_t i = 0; i < kWinogradPoints * kWinogradBlock; i++) units[i] = static_cast<float>(largest[i] / word_most);
    each(w, C, r, block, [&](int64_t p, int64_t c, int64_t lane, double value) {
      const double most = largest[p * kWinogradBlock + lane];
      const double word = most > 0 ? std::nearbyint(value * (word_most / most)) : 0;
      to[((p * (C / 2) + c / 2) * kWinogradBlock + lane) * 2 + c % 2] = static_cast<int16_t>(word);
    });
  }
}

}  // namespace siam::kernels
