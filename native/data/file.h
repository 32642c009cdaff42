// Whole small files into reused memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace siam::data {

/// Reads a file.
/// @param buffer  grown as needed, never shrunk     @returns the number of bytes     @throws ERR_IO with the reason
size_t ReadFile(const std::string& path, std::vector<uint8_t>& buffer);

}  // namespace siam::data
