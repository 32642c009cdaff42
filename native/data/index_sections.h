// The parts of a data set's index, flat: the same in memory and in a cached file (docs/data-index.md), so that a file is used where it
// lies. Nothing here is owned; `owner` keeps alive what the pointers point into.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "geometry.h"

namespace siam::data {

/// How a sequence's frames are named.
enum class FrameNaming : uint32_t {
  kCount = 0,    ///< pattern with first_number + k
  kNumbers = 1,  ///< pattern with numbers[extra + k]: a count with holes
  kNames = 2,    ///< names[extra + k]
};

/// One sequence. Texts are numbers of the text table, which holds each folder and pattern once.
struct SequenceRow {
  uint32_t dir = 0;
  uint32_t pattern = 0;  ///< of kNames: not used
  int32_t first_number = 0;
  uint32_t naming = 0;   ///< FrameNaming
  uint32_t flags = 0;    ///< none yet
  uint32_t extra = 0;
  uint32_t reserved[2] = {0, 0};
};
static_assert(sizeof(SequenceRow) == 32 && sizeof(Xyxy) == 16, "these are in files");

template <class T>
struct Span {
  const T* data = nullptr;
  size_t size = 0;

  const T& operator[](size_t i) const { return data[i]; }
};

/// Texts one after the other; text i is bytes [offsets[i], offsets[i + 1]).
struct TextTable {
  Span<uint32_t> offsets;  ///< [texts + 1], or empty for none
  Span<char> bytes;

  size_t size() const { return offsets.size == 0 ? 0 : offsets.size - 1; }
  std::string_view operator[](size_t i) const { return {bytes.data + offsets[i], size_t{offsets[i + 1]} - offsets[i]}; }
  /// Whether every text lies inside of the bytes.
  bool Fits() const {
    if (offsets.size == 0) return bytes.size == 0;
    if (offsets[0] != 0 || offsets[offsets.size - 1] != bytes.size) return false;
    for (size_t i = 1; i < offsets.size; ++i) {
      if (offsets[i] < offsets[i - 1]) return false;
    }
    return true;
  }
};

struct IndexSections {
  Span<Xyxy> boxes;           ///< [frames]
  Span<uint32_t> start;       ///< [sequences + 1] prefix sums of the number of frames
  Span<SequenceRow> rows;     ///< [sequences]
  Span<int32_t> numbers;
  TextTable names;
  TextTable texts;
  std::shared_ptr<const void> owner;
};

}  // namespace siam::data
