// Random numbers of the online classifier: a pure function of a seed, so that no other tracker, thread or user of torch's generator matters.
#pragma once

#include <ATen/core/Tensor.h>

#include "../../data/philox.h"

namespace siam::tracking::online {

/// What is drawn for one purpose never shifts what is drawn for another.
enum class Purpose : uint32_t { kShift, kDropout, kProjection, kAttention1, kAttention2, kFilter };

class Draws {
 public:
  Draws(uint64_t seed, Purpose purpose) : draws_(seed, static_cast<uint32_t>(purpose), kOnline, 0, data::DrawStream::kPair) {}

  /// In [0, 1).
  double uniform() { return draws_.Uniform(); }
  /// Normal numbers of mean 0, on the CPU. @param deviation  their standard deviation
  at::Tensor normal(at::IntArrayRef shape, double deviation);

 private:
  static constexpr uint32_t kOnline = 0x6f6e6c69;  // not a sample of any epoch

  data::SampleDraws draws_;
};

}  // namespace siam::tracking::online
