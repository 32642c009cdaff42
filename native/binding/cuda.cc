// CudaAddon of lib/native/addon-cuda.ts, but for its clock: what there is of CUDA, and how it computes.
#include "cuda.h"

#include "../engine/cuda_runtime.h"

#include "../engine/cuda_settings.h"
#include "addon_env.h"
#include "convert.h"

namespace siam::binding {
namespace {

struct Report {
  engine::CudaRuntime runtime;
  std::vector<engine::CudaDevice> devices;
};

Napi::Value js_number(Napi::Env env, double value) { return Napi::Number::New(env, value); }

Napi::Value report_to_js(Napi::Env env, Report& report) {
  const engine::CudaRuntime& runtime = report.runtime;
  auto object = Napi::Object::New(env);
  object.Set("available", runtime.available);
  object.Set("reason", runtime.reason);
  object.Set("driver", runtime.driver.empty() ? env.Null() : Napi::Value(Napi::String::New(env, runtime.driver)));
  object.Set("driverCuda", js_number(env, runtime.driver_cuda));
  object.Set("runtimeCuda", js_number(env, static_cast<double>(runtime.runtime_cuda)));
  object.Set("cudnn", js_number(env, static_cast<double>(runtime.cudnn)));
  auto devices = Napi::Array::New(env, report.devices.size());
  for (uint32_t i = 0; i < report.devices.size(); i++) {
    const engine::CudaDevice& device = report.devices[i];
    auto entry = Napi::Object::New(env);
    entry.Set("name", device.name);
    entry.Set("computeCapability", std::to_string(device.major) + "." + std::to_string(device.minor));
    entry.Set("multiprocessors", js_number(env, device.multiprocessors));
    entry.Set("totalBytes", js_number(env, static_cast<double>(device.total_bytes)));
    entry.Set("freeBytes", device.free_bytes ? js_number(env, static_cast<double>(*device.free_bytes)) : env.Null());
    devices.Set(i, entry);
  }
  object.Set("devices", devices);
  return object;
}

Napi::Value cuda_available(const Napi::CallbackInfo& info) {
  return AddonEnv::of(info.Env()).run<Report>(info.Env(), "cudaAvailable", [] { return Report{engine::cuda_runtime(), engine::cuda_devices()}; }, report_to_js);
}

Napi::Value set_cuda_settings(const Napi::CallbackInfo& info) {
  const auto object = info[0].As<Napi::Object>();
  const engine::CudaSettings settings{boolean(object, "tf32Convolutions"), boolean(object, "tf32Matmuls"), boolean(object, "cudnnBenchmark"), boolean(object, "deterministic")};
  return AddonEnv::of(info.Env()).run_void(info.Env(), "setCudaSettings", [settings] { engine::apply(settings); });
}

Napi::Value cuda_settings(const Napi::CallbackInfo& info) {
  return AddonEnv::of(info.Env()).run<engine::CudaSettings>(
      info.Env(), "cudaSettings", [] { return engine::current_cuda_settings(); },
      [](Napi::Env env, engine::CudaSettings& settings) -> Napi::Value {
        auto object = Napi::Object::New(env);
        object.Set("tf32Convolutions", settings.tf32_convolutions);
        object.Set("tf32Matmuls", settings.tf32_matmuls);
        object.Set("cudnnBenchmark", settings.cudnn_benchmark);
        object.Set("deterministic", settings.deterministic);
        return object;
      });
}

Napi::Value explain_cuda_library(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), engine::explain_missing_library(info[0].As<Napi::String>().Utf8Value(), info[1].As<Napi::String>().Utf8Value()));
}

}  // namespace

void register_cuda(Napi::Env env, Napi::Object exports, AddonEnv&) {
  exports.Set("cudaAvailable", Napi::Function::New(env, cuda_available, "cudaAvailable"));
  register_device_clock(env, exports);
  exports.Set("setCudaSettings", Napi::Function::New(env, set_cuda_settings, "setCudaSettings"));
  exports.Set("cudaSettings", Napi::Function::New(env, cuda_settings, "cudaSettings"));
  exports.Set("explainCudaLibrary", Napi::Function::New(env, explain_cuda_library, "explainCudaLibrary"));
}

}  // namespace siam::binding
