// Members of a tar file: POSIX ustar, with a pax header in front of a name that ustar has no room for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace siam::data {

constexpr size_t kTarBlock = 512;
/// Two blocks of zeros end a tar.
constexpr size_t kTarEnd = 2 * kTarBlock;
/// What a member of ustar may hold at most: 11 octal digits.
constexpr uint64_t kTarMemberLimit = (uint64_t{1} << 33) - 1;

/// What stands in front of a member's bytes: one block, or three or more with a pax header. A plain file of mode 0644, owner 0 and time 0,
/// so that it depends on name and size alone.
/// @param name  relative, UTF-8     @param size  bytes, at most kTarMemberLimit
std::string TarHeader(const std::string& name, uint64_t size);

/// Zeros behind a member of that many bytes.
inline size_t TarPadding(uint64_t size) { return static_cast<size_t>((kTarBlock - size % kTarBlock) % kTarBlock); }

}  // namespace siam::data
