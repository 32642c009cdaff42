#pragma once

#include <cstdint>
#include <cstdio>
#include <vector>

#include "../../jpeg/kernels.h"

namespace siam::data::jpeg {

/// Counts and prints what does not hold.
class Report {
 public:
  void Expect(bool holds, const char* table, const char* what, const char* kind, int detail) {
    if (holds) return;
    if (++failures_ <= 20) std::printf("FAILED: %s: %s (%s %d)\n", table, what, kind, detail);
  }
  int failures() const { return failures_; }

 private:
  int failures_ = 0;
};

/// A small generator whose numbers are the same everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2654435769u + 88172645463325252ull) {}

  uint32_t Next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<uint32_t>(state_ >> 16);
  }

  /// Within [low, high].
  int Within(int low, int high) { return low + static_cast<int>(Next() % static_cast<uint32_t>(high - low + 1)); }

 private:
  uint64_t state_;
};

/// The portable table against the JPEG library.
void CheckAgainstLibrary(const char* library, Report& report);

/// Every table that this CPU runs against the portable one.
void CheckTables(Report& report);

}  // namespace siam::data::jpeg
