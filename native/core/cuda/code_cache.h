// Compiled kernels on disk, so that only the first process compiles.
#pragma once

#include <string>

namespace siam::core::cuda {

/// Code that was kept under `key` (everything that decides it: source, options, compiler, card), or "" where none is or it is damaged.
std::string cached_code(const std::string& key);
/// Keeps it, written aside and renamed so that no reader sees a part. Failing is no error: the next process compiles again.
void keep_code(const std::string& key, const std::string& code);

}  // namespace siam::core::cuda
