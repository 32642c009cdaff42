// Entropy-coded data without its stuffed zeros, one restart interval at a time, and the markers in between.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bit_reader.h"

namespace siam::data::jpeg {

/// More than any run of blocks takes: 96 blocks of 64 codes with their extra bits, 31 bits each, and what a reader looks ahead.
constexpr size_t kRunBytes = 24576;

constexpr uint8_t kMarkerEnd = 0xD9, kMarkerRestart0 = 0xD0;

class EntropySource {
 public:
  /// @param data  the first byte behind the scan's header     @param end  behind the file's last byte
  void Start(const uint8_t* data, const uint8_t* end);

  /// Begins to read the interval that comes next.
  BitReader Open();

  /// Whether a run of blocks may be read without a look at the end. Asked before each one.
  bool Safe(const BitReader& reader) const { return reader.at <= limit_; }

  /// To be called where it is not: gets more data.
  /// @returns false when the reader has used more bits than there are
  bool More(BitReader reader);

  /// Whether the reader has used exactly the interval's bytes.
  bool Exhausted(BitReader reader);

  /// Goes behind the marker that ends the interval, whether or not the interval has been read.
  /// @returns its second byte, 0 when there is none
  uint8_t NextMarker();

 private:
  void Unstuff();

  const uint8_t* in_ = nullptr;
  const uint8_t* end_ = nullptr;
  std::vector<uint8_t> bytes_;
  size_t size_ = 0;                ///< bytes of the interval that are in bytes_
  bool complete_ = false;          ///< in_ points at the interval's end: a marker or the end of the file
  const uint8_t* limit_ = nullptr;
};

}  // namespace siam::data::jpeg
