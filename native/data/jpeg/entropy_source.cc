#include "entropy_source.h"

#include <algorithm>
#include <cstring>

namespace siam::data::jpeg {
namespace {

// Enough for the calls to cost nothing, little enough that rows which nobody wants are not unstuffed.
constexpr size_t kChunk = 32768;

}  // namespace

void EntropySource::Start(const uint8_t* data, const uint8_t* end) {
  in_ = data;
  end_ = end;
  // Never moved while a reader points into it. Behind the interval's end, what is read is never used: any bytes do.
  const size_t needed = static_cast<size_t>(end - data) + 2 * kRunBytes;
  if (bytes_.size() < needed) bytes_.resize(needed);
}

BitReader EntropySource::Open() {
  size_ = 0;
  complete_ = false;
  while (!complete_ && size_ < kRunBytes) Unstuff();
  return {bytes_.data(), 0, 0};
}

void EntropySource::Unstuff() {
  const uint8_t* const stop = in_ + std::min(kChunk, static_cast<size_t>(end_ - in_));
  uint8_t* out = bytes_.data() + size_;
  while (in_ < stop) {
    const auto* escape = static_cast<const uint8_t*>(std::memchr(in_, 0xFF, static_cast<size_t>(stop - in_)));
    const size_t plain = static_cast<size_t>((escape != nullptr ? escape : stop) - in_);
    std::memcpy(out, in_, plain);
    out += plain;
    in_ += plain;
    if (escape == nullptr) break;
    if (end_ - in_ < 2 || in_[1] != 0) {
      complete_ = true;
      break;
    }
    *out++ = 0xFF;
    in_ += 2;
  }
  if (in_ >= end_) complete_ = true;
  size_ = static_cast<size_t>(out - bytes_.data());
  // The reader looks ahead: behind a complete interval's end it may be without having used more than there is.
  limit_ = bytes_.data() + size_ - (complete_ ? 0 : kRunBytes);
}

bool EntropySource::More(BitReader reader) {
  while (!complete_ && !Safe(reader)) Unstuff();
  return !complete_ || reader.Used(bytes_.data()) <= static_cast<int64_t>(size_) * 8;
}

bool EntropySource::Exhausted(BitReader reader) {
  while (!complete_) Unstuff();
  return (reader.Used(bytes_.data()) + 7) / 8 == static_cast<int64_t>(size_);
}

uint8_t EntropySource::NextMarker() {
  while (in_ < end_) {
    const auto* escape = static_cast<const uint8_t*>(std::memchr(in_, 0xFF, static_cast<size_t>(end_ - in_)));
    if (escape == nullptr || end_ - escape < 2) break;
    in_ = escape + 2;
    if (escape[1] != 0) return escape[1];
  }
  in_ = end_;
  return 0;
}

}  // namespace siam::data::jpeg
