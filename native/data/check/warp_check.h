#pragma once

/// Crops of pictures that end where their memory does, for every instruction set of this CPU, and frames decoded smaller.
/// @param expect  called with (holds, what)
void CheckWarp(void (*expect)(bool, const char*));
