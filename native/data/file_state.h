// What a cached index depends on: files and folders, as they were when it was built.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "index_sections.h"

namespace siam::data {

/// What stat() says of a path, links followed. In files, so little endian and without holes.
struct FileState {
  uint64_t bytes = 0;        ///< 0 but for regular files: a folder's size means nothing. Kind 5: number of entries
  int64_t modified_ns = 0;   ///< since 1970. Kind 5: a hash of all entries' names, sizes and times
  int64_t changed_ns = 0;    ///< of the inode: moves even where a program sets the modification time back. Kind 5: the latest
  uint32_t kind = 0;         ///< 0 missing, 1 file, 2 folder, 3 something else, 4 cannot be looked at, 5 the entries of a folder
  uint32_t reserved = 0;

  bool operator==(const FileState& o) const {
    return bytes == o.bytes && modified_ns == o.modified_ns && changed_ns == o.changed_ns && kind == o.kind;
  }
};
static_assert(sizeof(FileState) == 32, "it is in files");

/// @param path  one that ends in "/*" stands for all entries of a folder
FileState StateOf(const std::string& path);

/// The states of all paths; several threads, because file systems over a network answer slowly and in parallel.
std::vector<FileState> StatesOf(const TextTable& paths);

/// The first path, in their order, whose state is another one now.
std::optional<size_t> FirstChanged(const TextTable& paths, const Span<FileState>& before);

}  // namespace siam::data
