#include "file_state.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <string_view>
#include <system_error>
#include <thread>

namespace siam::data {
namespace {

/// Paths a thread takes at a time, and threads at most. (A path may be a folder of a thousand entries.)
constexpr size_t kPathsAtOnce = 64;
constexpr size_t kThreads = 8;

int64_t Nanoseconds(const timespec& time) { return static_cast<int64_t>(time.tv_sec) * 1000000000 + time.tv_nsec; }

/// Calls look(i) for i in [0, count) on some threads.
template <class Look>
void ForEach(size_t count, const Look& look) {
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (;;) {
      const size_t begin = next.fetch_add(kPathsAtOnce);
      if (begin >= count) return;
      for (size_t i = begin; i < std::min(count, begin + kPathsAtOnce); ++i) look(i);
    }
  };
  std::vector<std::thread> threads;
  const size_t wanted = std::min(kThreads, (count + kPathsAtOnce - 1) / kPathsAtOnce);
  try {
    for (size_t t = 1; t < wanted; ++t) threads.emplace_back(work);
  } catch (const std::system_error&) {
    // No more threads to be had: those that run, and this one, do it all.
  }
  work();
  for (std::thread& thread : threads) thread.join();
}

uint64_t Mix(uint64_t h, uint64_t value) {
  h = (h ^ value) * 0x9e3779b97f4a7c15ull;
  return h ^ (h >> 29);
}

/// A folder's entries as one state. Their order in the folder does not count: the entries' hashes are added up.
FileState EntriesOf(const std::string& folder) {
  FileState state;
  DIR* dir = opendir(folder.c_str());
  if (dir == nullptr) {
    state.kind = errno == ENOENT || errno == ENOTDIR ? 0 : 4;
    return state;
  }
  state.kind = 5;
  uint64_t sum = 0;
  struct stat status {};
  if (fstat(dirfd(dir), &status) == 0) state.changed_ns = Nanoseconds(status.st_ctim);
  while (const dirent* entry = readdir(dir)) {
    const std::string_view name(entry->d_name);
    if (name == "." || name == "..") continue;
    uint64_t h = 0xcbf29ce484222325ull;
    for (const char c : name) h = (h ^ static_cast<uint8_t>(c)) * 0x100000001b3ull;
    if (fstatat(dirfd(dir), entry->d_name, &status, 0) == 0) {
      const int64_t changed = Nanoseconds(status.st_ctim);
      state.changed_ns = std::max(state.changed_ns, changed);
      h = Mix(Mix(Mix(h, S_ISDIR(status.st_mode) ? 0 : static_cast<uint64_t>(status.st_size)), static_cast<uint64_t>(Nanoseconds(status.st_mtim))), static_cast<uint64_t>(changed));
    }
    sum += h;
    ++state.bytes;
  }
  closedir(dir);
  state.modified_ns = static_cast<int64_t>(sum);
  return state;
}

}  // namespace

FileState StateOf(const std::string& path) {
  if (path.size() > 2 && path.compare(path.size() - 2, 2, "/*") == 0) return EntriesOf(path.substr(0, path.size() - 2));
  FileState state;
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    state.kind = errno == ENOENT || errno == ENOTDIR ? 0 : 4;
    return state;
  }
  state.kind = S_ISREG(status.st_mode) ? 1 : S_ISDIR(status.st_mode) ? 2 : 3;
  if (state.kind == 1) state.bytes = static_cast<uint64_t>(status.st_size);
  state.modified_ns = Nanoseconds(status.st_mtim);
  state.changed_ns = Nanoseconds(status.st_ctim);
  return state;
}

std::vector<FileState> StatesOf(const TextTable& paths) {
  std::vector<FileState> states(paths.size());
  ForEach(states.size(), [&](size_t i) { states[i] = StateOf(std::string(paths[i])); });
  return states;
}

std::optional<size_t> FirstChanged(const TextTable& paths, const Span<FileState>& before) {
  std::atomic<size_t> first{paths.size()};
  ForEach(paths.size(), [&](size_t i) {
    if (i >= first.load(std::memory_order_relaxed) || StateOf(std::string(paths[i])) == before[i]) return;
    size_t seen = first.load();
    while (i < seen && !first.compare_exchange_weak(seen, i)) {
    }
  });
  if (first == paths.size()) return std::nullopt;
  return first.load();
}

}  // namespace siam::data
