#include "jit.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "../../base/error.h"
#include "code_cache.h"
#include "kernel_sources.h"
#include "nvrtc.h"

namespace siam::core::cuda {

namespace {

struct Device {
  CuContext context = nullptr;
  int capability = 0;
};

/// What was opened and loaded so far. It is never taken down: at exit the driver may be gone already.
struct State {
  std::mutex mutex;
  std::map<c10::DeviceIndex, Device> devices;
  std::unordered_map<std::string, std::unique_ptr<Module>> modules;
  std::string failure;  // once set, ATen computes for the rest of the process
};

State& state() {
  static State* instance = new State;
  return *instance;
}

bool wanted_by_environment() {
  const char* value = std::getenv("SIAMFCPP_CUDA_KERNELS");
  return value == nullptr || std::string(value) != "0";
}

std::atomic<bool>& enabled_flag() {
  static std::atomic<bool> flag{wanted_by_environment()};
  return flag;
}

const char* source_of(const std::string& family) {
  if (family == "batch_norm") return kBatchNormSource;
  if (family == "norm_pool") return kNormPoolSource;
  if (family == "average_pool") return kAveragePoolSource;
  if (family == "xcorr") return kXcorrSource;
  if (family == "image") return kImageSource;
  return kLossesSource;
}

std::string key_of(const Variant& variant, const at::Device& device) { return variant.name() + " " + std::to_string(device.index()); }

int dtype_number(at::ScalarType dtype) { return dtype == at::kFloat ? 0 : dtype == at::kHalf ? 1 : 2; }

/// Makes the device's primary context, which libtorch uses, current for a while: a thread of autograd may have none yet.
class ContextScope {
 public:
  ContextScope(const Driver& driver, CuContext context) : driver_(driver) {
    CuContext current = nullptr;
    pushed_ = !(driver.context_get(&current) == 0 && current == context) && driver.context_push(context) == 0;
  }
  ~ContextScope() {
    CuContext popped = nullptr;
    if (pushed_) driver_.context_pop(&popped);
  }
  ContextScope(const ContextScope&) = delete;

 private:
  const Driver& driver_;
  bool pushed_ = false;
};

/// Under the state's lock. @returns null with `why`
const Device* device_at(c10::DeviceIndex index, const Driver& driver, std::string& why) {
  Device& device = state().devices[index];
  if (device.context != nullptr) return &device;
  CuDevice handle = 0;
  int major = 0, minor = 0;
  CuResult result = driver.device_get(&handle, index);
  if (result == 0) result = driver.device_attribute(&major, kComputeCapabilityMajor, handle);
  if (result == 0) result = driver.device_attribute(&minor, kComputeCapabilityMinor, handle);
  CuContext context = nullptr;
  if (result == 0) result = driver.primary_context_retain(&context, handle);
  if (result != 0) {
    why = "cuda:" + std::to_string(index) + " cannot be used: " + driver.describe(result);
    return nullptr;
  }
  device = {context, major * 10 + minor};
  return &device;
}

/// From the cache on disk, else compiled and put there.
Compiled code_of(const Variant& variant, int capability) {
  const NvrtcReport& compiler = nvrtc_report();
  if (!compiler.usable()) return {"", compiler.why};
  const std::string source = variant.source();
  std::string key = source + "\n" + compiler.version + "\n" + std::to_string(capability);
  for (const auto& option : variant.options()) key += "\n" + option;
  Compiled code{cached_code(key), ""};
  if (!code.image.empty()) return code;
  code = nvrtc_compile(source, std::string(variant.family) + ".cu", capability, variant.options());
  if (!code.image.empty()) keep_code(key, code.image);
  return code;
}

/// Under the state's lock. @returns null with `why`
std::unique_ptr<Module> load(const Variant& variant, c10::DeviceIndex index, std::string& why) {
  const Driver* found = driver(why);
  if (found == nullptr) return nullptr;
  const Device* device = device_at(index, *found, why);
  if (device == nullptr) return nullptr;
  const Compiled code = code_of(variant, device->capability);
  if (code.image.empty()) {
    why = code.failure;
    return nullptr;
  }
  const ContextScope scope(*found, device->context);
  CuModule module = nullptr;
  const CuResult result = found->module_load(&module, code.image.c_str());
  if (result != 0) {
    why = variant.name() + " cannot be loaded: " + found->describe(result);
    return nullptr;
  }
  return std::make_unique<Module>(module, index);
}

}  // namespace

std::string Variant::name() const {
  std::string text = std::string(family) + " " + c10::toString(dtype) + " x" + std::to_string(vector);
  return kh > 0 ? text + " " + std::to_string(kh) + "x" + std::to_string(kw) : text;
}

std::vector<std::string> Variant::options() const {
  std::vector<std::string> all = {"-DSIAM_DTYPE=" + std::to_string(dtype_number(dtype)), "-DV=" + std::to_string(vector)};
  if (kh > 0) all.insert(all.end(), {"-DKH=" + std::to_string(kh), "-DKW=" + std::to_string(kw)});
  if (std::string(family) == "losses") all.push_back("--fmad=false");
  return all;
}

std::string Variant::source() const { return std::string(kCommonSource) + source_of(family); }

void Module::launch_with(const char* kernel, int64_t blocks_x, int64_t blocks_y, int threads, void** parameters) const {
  std::string why;
  const Driver& d = *driver(why);
  CuContext context = nullptr;
  {
    const std::lock_guard<std::mutex> lock(state().mutex);
    context = state().devices[device_].context;
  }
  const c10::impl::VirtualGuardImpl guard(c10::DeviceType::CUDA);
  const c10::Stream stream = guard.getStream(c10::Device(c10::DeviceType::CUDA, device_));
  const ContextScope scope(d, context);
  CuFunction function = nullptr;
  CuResult result = d.module_function(&function, handle_, kernel);
  if (result == 0) {
    result = d.launch(function, static_cast<unsigned>(blocks_x), static_cast<unsigned>(blocks_y), 1, static_cast<unsigned>(threads), 1, 1, 0,
                      static_cast<CuStream>(guard.getStreamNativeHandle(stream)), parameters, nullptr);
  }
  if (result != 0) throw SiamException("ERR_DEVICE", std::string("The CUDA kernel ") + kernel + " could not be launched: " + d.describe(result));
}

bool enabled() { return enabled_flag().load(std::memory_order_relaxed); }
void set_enabled(bool enabled) { enabled_flag().store(enabled, std::memory_order_relaxed); }

const Module* module_for(const Variant& variant, const at::Device& device) {
  if (!enabled() || !device.is_cuda()) return nullptr;
  State& s = state();
  const std::string name = key_of(variant, device);
  const std::lock_guard<std::mutex> lock(s.mutex);
  const auto found = s.modules.find(name);
  if (found != s.modules.end()) return found->second.get();
  if (!s.failure.empty()) return nullptr;
  std::unique_ptr<Module> module = load(variant, device.index(), s.failure);
  if (module == nullptr) {
    TORCH_WARN("siamfcpp: our CUDA kernels cannot be used, so libtorch's compute in their place, more slowly: ", s.failure);
    return nullptr;
  }
  return s.modules.emplace(name, std::move(module)).first->second.get();
}

const Module& loaded_module(const Variant& variant, const at::Device& device) {
  State& s = state();
  const std::lock_guard<std::mutex> lock(s.mutex);
  const auto found = s.modules.find(key_of(variant, device));
  if (found == s.modules.end()) throw SiamException("ERR_DEVICE", "The CUDA kernels " + variant.name() + " were not loaded");
  return *found->second;
}

bool takes(const at::Tensor& x) {
  const auto dtype = x.scalar_type();
  return x.device().is_cuda() && enabled() && x.numel() > 0 && (dtype == at::kFloat || dtype == at::kHalf || dtype == at::kBFloat16);
}

int vector_of(int64_t C, at::ScalarType dtype) {
  int vector = dtype == at::kFloat ? 4 : 8;
  while (C % vector != 0) vector /= 2;
  return vector;
}

at::Tensor arranged(const at::Tensor& x, at::MemoryFormat format) {
  const at::Tensor dense = x.contiguous(format);
  return reinterpret_cast<uintptr_t>(dense.const_data_ptr()) % 16 == 0 ? dense : dense.clone();
}

std::string failure() {
  const std::lock_guard<std::mutex> lock(state().mutex);
  return state().failure;
}

std::vector<CompiledVariant> compile_all(int capability, const std::string& family) {
  std::vector<Variant> variants = {{"losses"}};
  for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
    const int widest = dtype == at::kFloat ? 4 : 8;
    for (int vector = 1; vector <= widest; vector *= 2) {
      variants.push_back({"batch_norm", dtype, vector});
      variants.push_back({"norm_pool", dtype, vector});
      variants.push_back({"average_pool", dtype, vector});
    }
    variants.push_back({"image", dtype, widest});
    const int pair = dtype == at::kFloat ? 1 : 2;
    for (const int side : {1, 4, 6}) variants.push_back({"xcorr", dtype, pair, side, side});
    variants.push_back({"xcorr", dtype, 1, 3, 5});
  }
  std::vector<CompiledVariant> compiled;
  for (const auto& variant : variants) {
    if (!family.empty() && family != variant.family) continue;
    const Compiled code = code_of(variant, capability);
    if (code.image.empty()) throw SiamException("ERR_SETUP", variant.name() + ": " + code.failure);
    compiled.push_back({variant.name(), code.image.size()});
  }
  return compiled;
}

}  // namespace siam::core::cuda
