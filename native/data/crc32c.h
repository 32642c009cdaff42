// CRC-32C (Castagnoli), with the CPU's instruction where it has one.
#pragma once

#include <cstddef>
#include <cstdint>

namespace siam::data {

/// @param previous  the CRC of what comes before `data`: pieces one after the other give the CRC of the whole
uint32_t Crc32c(const void* data, size_t bytes, uint32_t previous = 0);

/// The same without the CPU's instruction, for machines that lack it and for the check that both agree.
uint32_t Crc32cPortable(const void* data, size_t bytes, uint32_t previous = 0);

}  // namespace siam::data
