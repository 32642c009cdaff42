#include "turbojpeg_api.h"

#include <dlfcn.h>

#include <atomic>
#include <mutex>

#include "../base/error.h"

namespace siam::data::tj {
namespace {

// Process-wide on purpose: function addresses own nothing and stay valid, because the library is never closed (decoders of loader
// threads may outlive the environment that opened it).
std::mutex g_mutex;
Api g_api{};
std::atomic<const Api*> g_ready{nullptr};
std::string g_path;
std::string g_level;
std::string g_problem = "the JPEG library has not been opened yet";

template <typename Function>
bool Bind(void* library, const char* name, Function& slot) {
  slot = reinterpret_cast<Function>(dlsym(library, name));
  if (slot == nullptr) g_problem = std::string("it has no ") + name + " (TurboJPEG 3 is needed)";
  return slot != nullptr;
}

[[noreturn]] void Fail() {
  throw SiamException("ERR_SETUP", "JPEG decoding needs libturbojpeg 3 (npm package @julusian/jpeg-turbo): " + g_problem +
                                   "; run `npm install` to get it back");
}

}  // namespace

void Load(const std::string& path) {
  std::lock_guard<std::mutex> lock(g_mutex);
  if (g_ready.load() != nullptr) return;
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = dlerror();
    g_problem = "cannot open " + path + ": " + (reason != nullptr ? reason : "unknown reason");
    Fail();
  }
  Api api{};
  const bool complete = Bind(library, "tj3Init", api.Init) && Bind(library, "tj3Destroy", api.Destroy) &&
                        Bind(library, "tj3GetErrorStr", api.GetErrorStr) && Bind(library, "tj3GetErrorCode", api.GetErrorCode) &&
                        Bind(library, "tj3Set", api.Set) && Bind(library, "tj3Get", api.Get) &&
                        Bind(library, "tj3DecompressHeader", api.DecompressHeader) &&
                        Bind(library, "tj3SetScalingFactor", api.SetScalingFactor) &&
                        Bind(library, "tj3SetCroppingRegion", api.SetCroppingRegion) &&
                        Bind(library, "tj3Decompress8", api.Decompress8) && Bind(library, "tj3Compress8", api.Compress8) &&
                        Bind(library, "tj3Transform", api.DoTransform) && Bind(library, "tj3Free", api.Free);
  if (!complete) {
    g_problem = path + ": " + g_problem;
    dlclose(library);
    Fail();
  }
  g_api = api;
  g_path = path;
  g_level = dlsym(library, "tj3SetICCProfile") != nullptr ? "3.1" : "3.0";
  g_ready.store(&g_api);
}

const Api& Get() {
  const Api* api = g_ready.load();
  if (api == nullptr) {
    std::lock_guard<std::mutex> lock(g_mutex);
    Fail();
  }
  return *api;
}

std::string LoadedPath() {
  std::lock_guard<std::mutex> lock(g_mutex);
  return g_path;
}

std::string ApiLevel() {
  std::lock_guard<std::mutex> lock(g_mutex);
  return g_level;
}

}  // namespace siam::data::tj
