#include "nvrtc.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace siam::core::cuda {

namespace {

namespace fs = std::filesystem;
struct ProgramTag;
using Program = ProgramTag*;

/// Prototypes as the NVRTC reference gives them; 0 is success.
struct Api {
  int (*version)(int* major, int* minor);
  int (*num_supported_archs)(int* count);
  int (*supported_archs)(int* archs);
  int (*create)(Program* program, const char* source, const char* name, int headers, const char* const* header_sources, const char* const* header_names);
  int (*destroy)(Program* program);
  int (*compile)(Program program, int options, const char* const* values);
  int (*log_size)(Program program, size_t* size);
  int (*log)(Program program, char* log);
  int (*cubin_size)(Program program, size_t* size);
  int (*cubin)(Program program, char* cubin);
  int (*ptx_size)(Program program, size_t* size);
  int (*ptx)(Program program, char* ptx);
};

struct Opened {
  Api api{};
  NvrtcReport report;
  std::vector<int> archs;  // rising
};

/// Files of a folder whose names begin so, sorted.
std::vector<std::string> named(const fs::path& folder, const std::string& prefix) {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind(prefix, 0) == 0 && name.find(".so") != std::string::npos && name.find(".alt.") == std::string::npos) found.push_back(entry.path().string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

fs::path folder_of(const void* symbol) {
  Dl_info where{};
  return dladdr(symbol, &where) != 0 && where.dli_fname != nullptr ? fs::path(where.dli_fname).parent_path() : fs::path();
}

std::vector<std::string> candidates() {
  if (const char* own = std::getenv("SIAMFCPP_NVRTC"); own != nullptr && *own != '\0') return {own};
  std::vector<std::string> paths;
  const fs::path torch = folder_of(reinterpret_cast<const void*>(&at::get_num_threads));
  if (!torch.empty()) {
    for (const fs::path& folder : {torch.parent_path().parent_path() / "nvidia" / "cu13" / "lib", torch}) {
      for (auto& path : named(folder, "libnvrtc.so")) paths.push_back(path);
      for (auto& path : named(folder, "libnvrtc-")) {
        if (path.find("builtins") == std::string::npos) paths.push_back(path);
      }
    }
  }
  paths.push_back("libnvrtc.so.13");
  return paths;
}

template <class Function>
void find(void* library, const char* name, Function& function, std::string& why) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr && why.empty()) why = std::string("libnvrtc has no ") + name;
}

Opened open() {
  Opened opened;
  void* library = std::getenv("SIAMFCPP_NVRTC") == nullptr ? dlopen("libnvrtc.so.13", RTLD_NOW | RTLD_NOLOAD) : nullptr;
  for (const auto& path : candidates()) {
    if (library != nullptr) break;
    library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      const char* error = dlerror();
      opened.report.why = std::string("libnvrtc cannot be opened: ") + (error != nullptr ? error : "unknown");
    }
  }
  if (library == nullptr) return opened;
  opened.report.why.clear();
  std::string& why = opened.report.why;
  Api& api = opened.api;
  find(library, "nvrtcVersion", api.version, why);
  find(library, "nvrtcGetNumSupportedArchs", api.num_supported_archs, why);
  find(library, "nvrtcGetSupportedArchs", api.supported_archs, why);
  find(library, "nvrtcCreateProgram", api.create, why);
  find(library, "nvrtcDestroyProgram", api.destroy, why);
  find(library, "nvrtcCompileProgram", api.compile, why);
  find(library, "nvrtcGetProgramLogSize", api.log_size, why);
  find(library, "nvrtcGetProgramLog", api.log, why);
  find(library, "nvrtcGetCUBINSize", api.cubin_size, why);
  find(library, "nvrtcGetCUBIN", api.cubin, why);
  find(library, "nvrtcGetPTXSize", api.ptx_size, why);
  find(library, "nvrtcGetPTX", api.ptx, why);
  if (!why.empty()) return opened;
  Dl_info where{};
  if (dladdr(reinterpret_cast<const void*>(api.version), &where) != 0 && where.dli_fname != nullptr) opened.report.path = where.dli_fname;
  // libnvrtc opens its library of built-ins by name alone, which a wheel's folder is not found by: so it is opened here first.
  for (const auto& path : named(fs::path(opened.report.path).parent_path(), "libnvrtc-builtins")) dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  int major = 0, minor = 0, count = 0;
  if (api.version(&major, &minor) != 0 || api.num_supported_archs(&count) != 0 || count <= 0) {
    why = opened.report.path + " does not answer";
    return opened;
  }
  opened.report.version = std::to_string(major) + "." + std::to_string(minor);
  opened.archs.resize(static_cast<size_t>(count));
  api.supported_archs(opened.archs.data());
  std::sort(opened.archs.begin(), opened.archs.end());
  return opened;
}

const Opened& opened() {
  static const Opened instance = open();
  return instance;
}

template <class Size, class Get>
std::string text_of(Program program, Size size_of, Get get) {
  size_t size = 0;
  if (size_of(program, &size) != 0 || size == 0) return "";
  std::string text(size, '\0');
  return get(program, text.data()) == 0 ? text : "";
}

}  // namespace

const NvrtcReport& nvrtc_report() { return opened().report; }

Compiled nvrtc_compile(const std::string& source, const std::string& name, int capability, const std::vector<std::string>& options) {
  const Opened& o = opened();
  if (!o.report.usable()) return {"", o.report.why};
  const bool known = std::binary_search(o.archs.begin(), o.archs.end(), capability);
  if (!known && capability < o.archs.back()) {
    return {"", "NVRTC " + o.report.version + " does not compile for compute capability " + std::to_string(capability)};
  }
  std::vector<std::string> all = {known ? "--gpu-architecture=sm_" + std::to_string(capability) : "--gpu-architecture=compute_" + std::to_string(o.archs.back()), "--std=c++17",
                                  "--diag-suppress=177"};  // what a kernel file does not use of common.cu
  all.insert(all.end(), options.begin(), options.end());
  std::vector<const char*> values;
  for (const auto& option : all) values.push_back(option.c_str());
  Program program = nullptr;
  if (o.api.create(&program, source.c_str(), name.c_str(), 0, nullptr, nullptr) != 0) return {"", "nvrtcCreateProgram failed"};
  Compiled compiled;
  if (o.api.compile(program, static_cast<int>(values.size()), values.data()) != 0) {
    compiled.failure = name + " does not compile: " + text_of(program, o.api.log_size, o.api.log).c_str();
  } else {
    compiled.image = known ? text_of(program, o.api.cubin_size, o.api.cubin) : text_of(program, o.api.ptx_size, o.api.ptx);
    if (compiled.image.empty()) compiled.failure = name + ": the compiler gave no code";
  }
  o.api.destroy(&program);
  return compiled;
}

}  // namespace siam::core::cuda
