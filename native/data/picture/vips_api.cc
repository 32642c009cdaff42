#include "vips_api.h"

#include <dlfcn.h>

#include <atomic>
#include <cstring>
#include <mutex>
#include <utility>

#include "../../base/error.h"

namespace siam::data::vips {
namespace {

// Process-wide on purpose, as the library's own state is. It is never closed: GLib's types cannot be registered twice, and decoders of
// loader threads may outlive the environment that opened it.
std::mutex g_mutex;
std::string g_path;
std::string g_version;
Api g_api{};
std::atomic<const Api*> g_ready{nullptr};

[[noreturn]] void Fail(const std::string& problem) {
  throw SiamException("ERR_SETUP", "PNG and WebP frames need libvips (the optional npm package @img/sharp-libvips-linux-x64 or -arm64): " + problem +
                                       "; run `npm install --include=optional` to get it, or convert the frames to JPEG");
}

class Binder {
 public:
  Binder(void* library, const std::string& path) : library_(library), path_(path) {}

  template <typename Function>
  void operator()(const char* name, Function& slot) const {
    slot = reinterpret_cast<Function>(dlsym(library_, name));
    if (slot == nullptr) {
      dlclose(library_);
      Fail(path_ + " has no " + name + " (libvips 8 is needed)");
    }
  }

 private:
  void* library_;
  const std::string& path_;
};

// libpng's reasons come as warnings, from whichever thread libvips reads in; libvips' own text of an error is only "libpng read error".
constexpr size_t kMaxWarnings = 300;
std::mutex g_warnings_mutex;
std::string g_warnings;

void KeepWarning(const char*, int, const char* message, void*) {
  try {
    std::lock_guard<std::mutex> lock(g_warnings_mutex);
    // libvips adds where in the picture it was; that says nothing of the file.
    if (message == nullptr || g_warnings.size() > kMaxWarnings || std::strncmp(message, "error in tile", 13) == 0) return;
    if (!g_warnings.empty()) g_warnings += '\n';
    g_warnings += message;
  } catch (...) {
    // It is called from C, which no exception may cross; a message less does no harm.
  }
}

void Open() {
  if (g_path.empty()) Fail("the package is not installed");
  // Somebody else's libvips (the sharp package) keeps the settings that they gave it.
  void* others = dlopen(g_path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  void* library = others != nullptr ? others : dlopen(g_path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = dlerror();
    Fail(std::string("it cannot be opened: ") + (reason != nullptr ? reason : g_path.c_str()));
  }
  const Binder bind(library, g_path);
  Api api{};
  bind("vips_pngload_buffer", api.PngLoad);
  bind("vips_webpload_buffer", api.WebpLoad);
  bind("vips_image_get_width", api.Width);
  bind("vips_image_get_height", api.Height);
  bind("vips_image_get_bands", api.Bands);
  bind("vips_image_get_format", api.Format);
  bind("vips_region_new", api.NewRegion);
  bind("vips_region_fetch", api.Fetch);
  bind("vips_error_buffer_copy", api.ErrorText);
  bind("vips_error_clear", api.ClearError);
  bind("g_object_unref", api.Unref);
  bind("g_free", api.Free);
  int (*init)(const char* program) = nullptr;
  const char* (*version)() = nullptr;
  void (*set_concurrency)(int) = nullptr;
  void (*set_cache)(int) = nullptr;
  unsigned (*set_log)(const char* domain, int levels, void (*)(const char*, int, const char*, void*), void*) = nullptr;
  bind("vips_init", init);
  bind("vips_version_string", version);
  bind("vips_concurrency_set", set_concurrency);
  bind("vips_cache_set_max", set_cache);
  bind("g_log_set_handler", set_log);
  if (init("siamfcpp") != 0) {
    const std::string reason = api.ErrorText();
    Fail("it does not start: " + reason);
  }
  if (others == nullptr) {
    set_concurrency(1);
    set_cache(0);
    // libpng's warnings (an unknown profile, a strange text chunk) cost no pixel and would go to standard error for every frame.
    constexpr int kWarnings = 1 << 4;
    set_log("VIPS", kWarnings, KeepWarning, nullptr);
  }
  const std::string text = version();
  g_version = text.substr(0, text.find('-'));
  g_api = api;
  g_ready.store(&g_api);
}

}  // namespace

void SetPath(const std::string& path) {
  std::lock_guard<std::mutex> lock(g_mutex);
  if (g_ready.load() == nullptr) g_path = path;
}

const Api& Get() {
  if (g_ready.load() == nullptr) {
    std::lock_guard<std::mutex> lock(g_mutex);
    if (g_ready.load() == nullptr) Open();
  }
  return *g_ready.load();
}

std::string TakeWarnings() {
  std::lock_guard<std::mutex> lock(g_warnings_mutex);
  return std::exchange(g_warnings, std::string());
}

std::string Version() {
  std::lock_guard<std::mutex> lock(g_mutex);
  return g_version;
}

std::string Path() {
  std::lock_guard<std::mutex> lock(g_mutex);
  return g_path;
}

}  // namespace siam::data::vips
