// Writing, stopping and verifying packs, for sanitizer builds (check/run.sh).
#pragma once

#include <memory>
#include <string>

#include "../index.h"

/// @param frames  a data set whose frames are there     @param folder  an empty one, for packs
void CheckPacks(const std::shared_ptr<const siam::data::DatasetIndex>& frames, const std::string& folder);
