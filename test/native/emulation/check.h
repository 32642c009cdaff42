// Numbers to try the kernels on, and how far results may be off.
#pragma once

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "emulation.h"

inline int failures = 0;

/// From −1 to 1.
inline float draw_number() { return static_cast<float>(emulation::draw() % 20001) / 10000.0f - 1.0f; }

/// Largest difference over (1 + the largest expected), printed and held against the bound.
inline void expect_close(const std::string& what, const std::vector<double>& actual, const std::vector<double>& expected, double bound) {
  double worst = 0, scale = 0;
  for (const double e : expected) scale = std::max(scale, std::fabs(e));
  bool finite = actual.size() == expected.size();
  for (size_t i = 0; finite && i < expected.size(); i++) {
    if (!(std::fabs(actual[i]) < INFINITY)) finite = false;
    worst = std::max(worst, std::fabs(actual[i] - expected[i]) / (scale > 0 ? scale : 1));
  }
  const bool good = finite && worst <= bound;
  if (!good) failures++;
  std::printf("%s %s: %.2e (bound %.0e)%s\n", good ? "ok" : "FAILED", what.c_str(), worst, bound, finite ? "" : " not finite or not written");
}

inline void expect(const std::string& what, bool good) {
  if (!good) failures++;
  std::printf("%s %s\n", good ? "ok" : "FAILED", what.c_str());
}

/// Memory for a kernel's result: every element a NaN until it is written, and a guard behind that must stay.
template <class T>
struct Result {
  explicit Result(size_t count) : count(count), memory(count + 64) { std::memset(memory.data(), 0xff, memory.size() * sizeof(T)); }
  T* data() { return memory.data(); }
  bool intact() const {
    const auto* bytes = reinterpret_cast<const unsigned char*>(memory.data() + count);
    for (size_t i = 0; i < 64 * sizeof(T); i++) {
      if (bytes[i] != 0xff) return false;
    }
    return true;
  }
  size_t count;
  std::vector<T> memory;
};
