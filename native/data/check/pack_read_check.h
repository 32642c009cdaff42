#pragma once

#include <cstdint>
#include <string>

/// A pack that is read by threads while its files are written over, cut short and removed, and tables that are damaged in every byte.
/// @param folder  of a sound pack, which is not one afterwards
void CheckPackReading(const std::string& folder, uint32_t shards);
