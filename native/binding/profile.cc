// Where a device's time goes, kernel by kernel: libtorch's own profiler (kineto) around stages of the engine thread.
#include <torch/csrc/autograd/profiler_kineto.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "../base/error.h"
#include "addon_env.h"
#include "registration.h"

namespace siam::binding {
namespace {

namespace profiler = torch::autograd::profiler;
using torch::profiler::impl::ActivityType;

struct Kernel {
  std::string name;
  int64_t count = 0;
  double seconds = 0;
};

/// Device activities alone: their recording costs the host little, and the engine thread's operations are not what is asked for.
const profiler::ProfilerConfig& config() {
  static const profiler::ProfilerConfig made(torch::profiler::impl::ProfilerState::KINETO);
  return made;
}

/// Of the process: kineto records one profile at a time.
std::atomic<bool> recording{false};

Napi::Value start(const Napi::CallbackInfo& info) {
  try {  // libtorch's exceptions must not leave a callback of Node
    // Kineto wants its first call on the thread that loaded it.
    if (!recording.exchange(true)) profiler::prepareProfiler(config(), {ActivityType::CUDA});
    else throw SiamException("ERR_ARGUMENT", "startProfile: a profile is being taken");
  } catch (...) {
    AddonEnv::of(info.Env()).throw_error(info.Env(), current_failure("startProfile"));
  }
  return AddonEnv::of(info.Env()).run_void(info.Env(), "startProfile", [] {
    profiler::enableProfiler(config(), {ActivityType::CUDA});
  });
}

Napi::Value stop(const Napi::CallbackInfo& info) {
  using Kernels = std::vector<Kernel>;
  return AddonEnv::of(info.Env()).run<Kernels>(
      info.Env(), "stopProfile",
      [] {
        if (!torch::profiler::impl::profilerEnabled()) throw SiamException("ERR_ARGUMENT", "stopProfile: no profile is being taken");
        recording = false;
        const auto result = profiler::disableProfiler();
        std::map<std::string, Kernel> by_name;
        for (const auto& event : result->events()) {
          if (event.deviceType() != c10::DeviceType::CUDA) continue;
          Kernel& kernel = by_name[event.name()];
          kernel.count++;
          kernel.seconds += static_cast<double>(event.durationNs()) * 1e-9;
        }
        Kernels kernels;
        for (auto& [name, kernel] : by_name) kernels.push_back({name, kernel.count, kernel.seconds});
        std::sort(kernels.begin(), kernels.end(), [](const Kernel& a, const Kernel& b) { return a.seconds > b.seconds; });
        return kernels;
      },
      [](Napi::Env env, Kernels& kernels) -> Napi::Value {
        auto list = Napi::Array::New(env, kernels.size());
        for (uint32_t i = 0; i < kernels.size(); i++) {
          auto entry = Napi::Object::New(env);
          entry.Set("name", kernels[i].name);
          entry.Set("count", Napi::Number::New(env, static_cast<double>(kernels[i].count)));
          entry.Set("seconds", kernels[i].seconds);
          list.Set(i, entry);
        }
        return list;
      });
}

}  // namespace

void register_profile(Napi::Env env, Napi::Object exports) {
  exports.Set("startProfile", Napi::Function::New(env, start, "startProfile"));
  exports.Set("stopProfile", Napi::Function::New(env, stop, "stopProfile"));
}

}  // namespace siam::binding
