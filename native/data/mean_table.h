// Means of whole frames, which pad a crop that leaves its frame: remembered, so that a frame is decoded whole only once.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "image.h"

namespace siam::data {

/// One truncated mean a row of an index, lock-free. Each is tied to the compressed bytes that it was computed from by their checksum: a frame
/// that was replaced since, while the loader runs or between two runs, has no mean, wherever the table comes from.
class MeanTable {
 public:
  /// @throws std::bad_alloc
  explicit MeanTable(size_t rows);

  size_t rows() const { return rows_; }

  /// @param check  CheckOf() of the frame's compressed bytes     @returns whether the mean of these bytes is known
  bool Known(size_t row, uint32_t check, Bgr& mean) const;
  /// Whether some mean is there, of whatever bytes.
  bool Has(size_t row) const { return Entry(row) != 0; }
  /// Threads that miss at the same time store the same value.
  void Remember(size_t row, uint32_t check, Bgr mean);

  /// As it is kept in files: 0 for an unknown one, else the check in the upper half and 0xFFrrggbb in the lower.
  uint64_t Entry(size_t row) const { return entries_.get()[row].load(std::memory_order_relaxed); }
  /// Takes an entry from a file where none is known here.     @returns whether it was taken
  bool Merge(size_t row, uint64_t entry);

  /// Means remembered since the last SetSaved().
  uint64_t unsaved() const { return unsaved_.load(std::memory_order_relaxed); }
  /// @param count  how many of them are saved now
  void SetSaved(uint64_t count) { unsaved_.fetch_sub(count, std::memory_order_relaxed); }

  static uint32_t CheckOf(const uint8_t* data, size_t size);
  static bool IsEntry(uint64_t entry) { return (entry >> 24 & 0xFF) == 0xFF; }

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };

  size_t rows_;
  /// From calloc: the pages of 14 million zeros take no memory until a mean is written there.
  std::unique_ptr<std::atomic<uint64_t>, Free> entries_;
  std::atomic<uint64_t> unsaved_{0};
};

}  // namespace siam::data
