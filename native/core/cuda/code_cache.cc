#include "code_cache.h"

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace siam::core::cuda {

namespace {

namespace fs = std::filesystem;

/// FNV-1a, 64 bits.
uint64_t hash(const std::string& text, uint64_t seed) {
  uint64_t value = 14695981039346656037ull ^ seed;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return value;
}

std::string hex(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

/// `$XDG_CACHE_HOME/siamfcpp-native/kernels` or `~/.cache/…`, as lib/user-cache.ts has it; empty where there is no home.
fs::path folder() {
  const char* own = std::getenv("XDG_CACHE_HOME");
  if (own != nullptr && fs::path(own).is_absolute()) return fs::path(own) / "siamfcpp-native" / "kernels";
  const char* home = std::getenv("HOME");
  return home != nullptr && *home != '\0' ? fs::path(home) / ".cache" / "siamfcpp-native" / "kernels" : fs::path();
}

fs::path file_of(const std::string& key) {
  const fs::path base = folder();
  return base.empty() ? base : base / (hex(hash(key, 0)) + hex(hash(key, 0x9e3779b97f4a7c15ull)) + ".cubin");
}

/// Before the code: its checksum, so that a file cut short or overwritten counts as none.
std::string header_of(const std::string& code) { return "siamfcpp-kernel 1 " + hex(hash(code, code.size())) + "\n"; }

}  // namespace

std::string cached_code(const std::string& key) {
  const fs::path path = file_of(key);
  if (path.empty()) return "";
  std::ifstream file(path, std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const size_t end = all.find('\n');
  if (end == std::string::npos) return "";
  std::string code = all.substr(end + 1);
  return all.compare(0, end + 1, header_of(code)) == 0 ? code : "";
}

void keep_code(const std::string& key, const std::string& code) {
  const fs::path path = file_of(key);
  if (path.empty()) return;
  static std::atomic<unsigned> serial{0};
  std::error_code failed;
  fs::create_directories(path.parent_path(), failed);
  fs::path aside = path;
  aside += "." + std::to_string(getpid()) + "-" + std::to_string(serial++) + ".tmp";
  bool written = false;
  {
    std::ofstream file(aside, std::ios::binary);
    file << header_of(code) << code;
    written = file.good();
  }
  if (written) fs::rename(aside, path, failed);
  if (!written || failed) fs::remove(aside, failed);
}

}  // namespace siam::core::cuda
