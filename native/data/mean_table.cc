#include "mean_table.h"

#include <new>

#include "crc32c.h"

namespace siam::data {

MeanTable::MeanTable(size_t rows) : rows_(rows) {
  static_assert(std::atomic<uint64_t>::is_always_lock_free && sizeof(std::atomic<uint64_t>) == 8, "zero bytes are atomic zeros");
  entries_.reset(static_cast<std::atomic<uint64_t>*>(std::calloc(rows > 0 ? rows : 1, sizeof(std::atomic<uint64_t>))));
  if (!entries_) throw std::bad_alloc();
}

bool MeanTable::Known(size_t row, uint32_t check, Bgr& mean) const {
  const uint64_t entry = Entry(row);
  if (entry == 0 || entry >> 32 != check) return false;
  mean = {static_cast<uint8_t>(entry), static_cast<uint8_t>(entry >> 8), static_cast<uint8_t>(entry >> 16)};
  return true;
}

void MeanTable::Remember(size_t row, uint32_t check, Bgr mean) {
  const uint64_t entry = uint64_t{check} << 32 | 0xFF000000u | uint64_t{mean.r} << 16 | uint64_t{mean.g} << 8 | mean.b;
  if (entries_.get()[row].exchange(entry, std::memory_order_relaxed) != entry) unsaved_.fetch_add(1, std::memory_order_relaxed);
}

bool MeanTable::Merge(size_t row, uint64_t entry) {
  uint64_t none = 0;
  return IsEntry(entry) && entries_.get()[row].compare_exchange_strong(none, entry, std::memory_order_relaxed);
}

uint32_t MeanTable::CheckOf(const uint8_t* data, size_t size) { return Crc32c(data, size); }

}  // namespace siam::data
