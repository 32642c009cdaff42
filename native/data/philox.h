// Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). A draw is a
// pure function of key and counter, so sample i of epoch e is the same whatever thread makes it, and in whatever order.
// Known answers: test/native/sampler.
#pragma once

#include <array>
#include <cstdint>

namespace siam::data {

using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

inline PhiloxCounter Philox4x32(PhiloxCounter counter, PhiloxKey key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * counter[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(p1),
               static_cast<uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(p0)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

/// Independent sequences of one sample: what is drawn for the one never shifts the other.
enum class DrawStream : uint32_t { kPair = 0, kCrop = 1 };

/// The draws of (seed, epoch, sample, attempt) in one stream, in order.
class SampleDraws {
 public:
  SampleDraws(uint64_t seed, uint32_t epoch, uint32_t sample, uint32_t attempt, DrawStream stream)
      : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)},
        counter_{static_cast<uint32_t>(stream) << 28, attempt, sample, epoch} {}

  /// @returns the next float64 in [0, 1), of 53 bits.
  double Uniform() {
    if (used_ == 4) {
      block_ = Philox4x32(counter_, key_);
      ++counter_[0];
      used_ = 0;
    }
    const uint32_t high = block_[used_] >> 5, low = block_[used_ + 1] >> 6;
    used_ += 2;
    return (high * 67108864.0 + low) / 9007199254740992.0;
  }

  /// @returns the next integer in [0, count), count > 0.
  uint32_t Below(uint32_t count) {
    const auto drawn = static_cast<uint32_t>(Uniform() * count);
    return drawn < count ? drawn : count - 1;
  }

 private:
  PhiloxKey key_;
  PhiloxCounter counter_;
  PhiloxCounter block_{};
  int used_ = 4;
};

}  // namespace siam::data
