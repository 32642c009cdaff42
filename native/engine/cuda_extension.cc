#include "cuda_extension.h"

#include <dlfcn.h>
#include <torch/version.h>
#include <unistd.h>

#include <cstring>

#include "../base/error.h"
#include "cuda_runtime.h"

namespace siam::engine {
namespace {

constexpr const char* kHowToBuild = "npm run setup builds it where CUDA's headers are found (the packages nvidia-cuda-runtime and nvidia-nccl beside torch, or the CUDA toolkit)";

std::string beside_us(const char* name) {
  Dl_info where{};
  if (dladdr(reinterpret_cast<void*>(&require_cuda_extension), &where) == 0 || where.dli_fname == nullptr) return name;
  const std::string ours = where.dli_fname;
  return ours.substr(0, ours.rfind('/') + 1) + name;
}

CudaExtensionReport open_extension() {
  CudaExtensionReport report;
  report.path = beside_us("siamfcpp_cuda.so");
  const bool built = access(report.path.c_str(), F_OK) == 0;
  if (!built) report.reason = report.path + " was not built; " + kHowToBuild;
  // Not without CUDA: the library needs libtorch_cuda.so, which cannot be opened then.
  if (!built || !cuda_runtime().available) return report;
  void* library = dlopen(report.path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* error = dlerror();
    report.reason = report.path + " cannot be opened (" + (error != nullptr ? error : "unknown error") + "); " + kHowToBuild;
    return report;
  }
  using Entry = const CudaExtension* (*)();
  const auto entry = reinterpret_cast<Entry>(dlsym(library, CudaExtension::kSymbol));
  const CudaExtension* extension = entry != nullptr ? entry() : nullptr;
  // The version first: what else is in the struct of another version is unknown.
  if (extension == nullptr || extension->version != CudaExtension::kVersion || std::strcmp(extension->torch_version, TORCH_VERSION) != 0) {
    report.reason = report.path + " is of another build than the addon; " + kHowToBuild;
    return report;
  }
  report.extension = extension;
  return report;
}

}  // namespace

const CudaExtensionReport& cuda_extension() {
  static const CudaExtensionReport report = open_extension();
  return report;
}

const CudaExtension& require_cuda_extension(const char* what) {
  const CudaExtensionReport& report = cuda_extension();
  if (report.extension != nullptr) return *report.extension;
  if (!cuda_runtime().available) throw SiamException("ERR_DEVICE", std::string("Expected a CUDA device for ") + what + ": " + cuda_runtime().reason);
  throw SiamException("ERR_SETUP", std::string(what) + " cannot be used: " + report.reason);
}

const CudaExtension& require_nccl() {
  const CudaExtension& extension = require_cuda_extension("NCCL");
  if (extension.make_nccl != nullptr) return extension;
  throw SiamException("ERR_SETUP", "NCCL cannot be used: " + cuda_extension().path + " was built without it; npm run setup builds it in where nccl.h of libtorch's version is found (the package nvidia-nccl beside torch)");
}

}  // namespace siam::engine
