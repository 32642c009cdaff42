// What CUDA has built in and the kernels of native/core/cuda/kernels use, for host C++: blocks run one after the other, a block's threads as fibres
// that change at __syncthreads(), in an order that is drawn anew for each stretch between two of them (a missing barrier shows).
#pragma once

#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#define SIAM_EMULATED
#define SIAM_KERNEL(threads, blocks) [[maybe_unused]] static void
#define SIAM_DEVICE [[maybe_unused]] static inline
#define SIAM_SHARED static

struct uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct Index {
  unsigned x = 0, y = 0, z = 0;
};
inline Index threadIdx, blockIdx, gridDim;

inline float __uint_as_float(unsigned bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
inline unsigned __float_as_uint(float value) {
  unsigned bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}
inline float __int_as_float(int bits) { return __uint_as_float(static_cast<unsigned>(bits)); }

inline float emulated_half_to_float(unsigned short half) {
  const int exponent = (half >> 10) & 31, fraction = half & 1023;
  const float sign = half & 0x8000 ? -1.0f : 1.0f;
  if (exponent == 31) return fraction != 0 ? NAN : sign * INFINITY;
  return sign * (exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24) : std::ldexp(static_cast<float>(1024 + fraction), exponent - 25));
}

/// Round to nearest even.
inline unsigned short emulated_float_to_half(float value) {
  const unsigned short sign = std::signbit(value) ? 0x8000 : 0;
  const float size = std::fabs(value);
  if (std::isnan(value)) return sign | 0x7e00;
  if (size == 0) return sign;
  if (size >= 65520.0f) return sign | 0x7c00;
  int exponent = 0;
  std::frexp(size, &exponent);  // size = m · 2^exponent, m in [0.5, 1)
  const int unit = exponent - 11 < -24 ? -24 : exponent - 11;
  const int steps = static_cast<int>(std::nearbyint(std::ldexp(size, -unit)));  // of 2^unit, at most 2048
  return sign | static_cast<unsigned short>(unit == -24 ? steps : (unit + 24) * 1024 + steps);  // a carry runs into the exponent, as it should
}

namespace emulation {

struct Fibre {
  ucontext_t context;
  std::vector<char> stack;
  bool done = true;
};

inline std::vector<Fibre> fibres;
inline ucontext_t scheduler;
inline unsigned current = 0;
inline const std::function<void()>* body = nullptr;

inline void fibre_main() {
  (*body)();
  fibres[current].done = true;
}

inline uint32_t draw() {
  static uint32_t state = 1;
  state = state * 1664525u + 1013904223u;
  return state >> 8;
}

inline void run_block(unsigned threads, const std::function<void()>& kernel) {
  body = &kernel;
  if (fibres.size() < threads) fibres.resize(threads);
  for (unsigned t = 0; t < threads; t++) {
    Fibre& fibre = fibres[t];
    fibre.stack.resize(32 * 1024);
    getcontext(&fibre.context);
    fibre.context.uc_stack.ss_sp = fibre.stack.data();
    fibre.context.uc_stack.ss_size = fibre.stack.size();
    fibre.context.uc_link = &scheduler;
    fibre.done = false;
    makecontext(&fibre.context, fibre_main, 0);
  }
  for (bool any = true; any;) {
    any = false;
    const unsigned first = draw() % threads;
    const bool up = draw() % 2 == 0;
    for (unsigned i = 0; i < threads; i++) {
      const unsigned t = (first + (up ? i : threads - i)) % threads;
      if (fibres[t].done) continue;
      current = t;
      threadIdx.x = t;
      swapcontext(&scheduler, &fibres[t].context);
      any = any || !fibres[t].done;
    }
  }
}

/// kernel<<<{x, y}, threads>>>
inline void launch(unsigned x, unsigned y, unsigned threads, const std::function<void()>& kernel) {
  gridDim = {x, y, 1};
  for (blockIdx.y = 0; blockIdx.y < y; blockIdx.y++) {
    for (blockIdx.x = 0; blockIdx.x < x; blockIdx.x++) run_block(threads, kernel);
  }
}

}  // namespace emulation

inline void __syncthreads() {
  const unsigned self = emulation::current;
  swapcontext(&emulation::fibres[self].context, &emulation::scheduler);
}
