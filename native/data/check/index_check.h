#pragma once

#include <string>

/// Cached indexes: written here by hand, opened, sampled by threads while the handle goes, damaged in every byte, and watched files.
/// @param folder  an empty folder     @param expect  called with (holds, what)
void CheckIndexFiles(const std::string& folder, void (*expect)(bool, const char*));
