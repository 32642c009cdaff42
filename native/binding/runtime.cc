// Versions, threads, devices, RNG state, and the free functions over tensors (sum, backward, readScalars).
#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <ATen/ATen.h>
#include <torch/version.h>

#include <algorithm>
#include <thread>

#include "../base/error.h"
#include "../core/random.h"
#include "../core/xcorr.h"
#include "../data/turbojpeg_api.h"
#include "../engine/device_memory.h"
#include "../engine/host_allocator.h"
#include "convert.h"
#include "registration.h"
#include "tensor.h"

namespace siam::binding {

namespace {

Napi::Value versions(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto object = Napi::Object::New(env);
  object.Set("libtorch", TORCH_VERSION);
  Dl_info where{};
  const bool found = dladdr(reinterpret_cast<void*>(&at::get_num_threads), &where) != 0 && where.dli_fname != nullptr;
  object.Set("libtorchPath", found ? where.dli_fname : "");
  object.Set("turbojpeg", data::tj::ApiLevel());
  object.Set("cxxCompiler", "g++ " __VERSION__);
  object.Set("simd", at::get_cpu_capability());
  return object;
}

Napi::Value set_threads(const Napi::CallbackInfo& info) {
  const int threads = info[0].As<Napi::Number>().Int32Value();
  return AddonEnv::of(info.Env()).run<int>(
      info.Env(), "setThreads",
      [threads] {
        at::set_num_threads(threads > 0 ? threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
        return at::get_num_threads();
      },
      [](Napi::Env env, int& count) -> Napi::Value { return Napi::Number::New(env, count); });
}

Napi::Value sum(const Napi::CallbackInfo& info) {
  auto scalars = tensor_list_from_js(info[0], "scalars");
  return AddonEnv::of(info.Env()).run<TensorPtr>(
      info.Env(), "sum",
      [scalars] {
        if (scalars.empty()) throw SiamException("ERR_ARGUMENT", "sum: no tensors given");
        at::Tensor total = scalars[0]->tensor;
        for (size_t i = 1; i < scalars.size(); i++) total = total + scalars[i]->tensor;
        return make_slot(total);
      },
      [](Napi::Env env, TensorPtr& slot) -> Napi::Value { return TensorHandle::wrap(env, slot); });
}

Napi::Value backward(const Napi::CallbackInfo& info) {
  TensorPtr slot = TensorHandle::unwrap(info[0], "backward");
  TensorPtr gradient = info.Length() > 1 && info[1].IsObject() ? TensorHandle::unwrap(info[1], "gradient") : nullptr;
  return AddonEnv::of(info.Env()).run_void(info.Env(), "backward", [slot, gradient] {
    slot->tensor.backward(gradient ? gradient->tensor : at::Tensor());
    slot->tensor = slot->tensor.detach();  // the graph is consumed; the value stays readable
  });
}

Napi::Value read_scalars(const Napi::CallbackInfo& info) {
  auto scalars = tensor_list_from_js(info[0], "scalars");
  return AddonEnv::of(info.Env()).run<std::vector<double>>(
      info.Env(), "readScalars",
      [scalars] {
        std::vector<double> values;
        if (scalars.empty()) return values;
        std::vector<at::Tensor> flat;
        bool alike = true;
        for (const auto& slot : scalars) {
          if (slot->tensor.numel() != 1) throw SiamException("ERR_SHAPE", "readScalars: expected tensors of one element but received " + std::to_string(slot->tensor.numel()));
          flat.push_back(slot->tensor.detach().reshape({1}));
          alike = alike && flat.back().scalar_type() == flat.front().scalar_type();
        }
        // A conversion before the copy is a kernel for each scalar; after it, none.
        if (!alike) {
          for (auto& scalar : flat) scalar = scalar.to(at::kDouble);
        }
        const at::Tensor packed = at::cat(flat).to(at::kCPU).to(at::kDouble);
        const auto* data = packed.const_data_ptr<double>();
        values.assign(data, data + packed.numel());
        return values;
      },
      [](Napi::Env env, std::vector<double>& values) -> Napi::Value {
        auto array = Napi::Float64Array::New(env, values.size());
        std::copy(values.begin(), values.end(), array.Data());
        return array;
      });
}

Napi::Value xcorr(const Napi::CallbackInfo& info) {
  TensorPtr x = TensorHandle::unwrap(info[0], "x");
  TensorPtr k = TensorHandle::unwrap(info[1], "k");
  return AddonEnv::of(info.Env()).run<TensorPtr>(
      info.Env(), "xcorrDepthwise", [x, k] { return make_slot(core::xcorr_depthwise(x->tensor, k->tensor)); },
      [](Napi::Env env, TensorPtr& slot) -> Napi::Value { return TensorHandle::wrap(env, slot); });
}

Napi::Value rng_state(const Napi::CallbackInfo& info) {
  return AddonEnv::of(info.Env()).run<RawTensor>(
      info.Env(), "rngState", [] {
        const std::lock_guard<std::mutex> alone(core::default_generator_mutex());
        return raw_from_tensor(at::detail::getDefaultCPUGenerator().get_state());
      },
      [](Napi::Env env, RawTensor& raw) -> Napi::Value { return raw_to_js(env, raw).Get("data"); });
}

Napi::Value set_rng_state(const Napi::CallbackInfo& info) {
  const auto data = info[0].As<Napi::Uint8Array>();
  std::vector<uint8_t> bytes(data.Data(), data.Data() + data.ByteLength());
  return AddonEnv::of(info.Env()).run_void(info.Env(), "setRngState", [bytes] {
    at::Tensor state = at::empty({static_cast<int64_t>(bytes.size())}, at::kByte);
    std::copy(bytes.begin(), bytes.end(), state.data_ptr<uint8_t>());
    const std::lock_guard<std::mutex> alone(core::default_generator_mutex());
    at::Generator generator = at::detail::getDefaultCPUGenerator();
    generator.set_state(state);
  });
}

Napi::Value memory(const Napi::CallbackInfo& info) {
  auto object = Napi::Object::New(info.Env());
  object.Set("liveHandles", Napi::Number::New(info.Env(), static_cast<double>(AddonEnv::of(info.Env()).live_handles)));
  object.Set("hostBytes", Napi::Number::New(info.Env(), static_cast<double>(engine::HostAllocator::live_bytes())));
  object.Set("hostMappedBytes", Napi::Number::New(info.Env(), static_cast<double>(engine::HostAllocator::mapped_bytes())));
  object.Set("hostPeakBytes", Napi::Number::New(info.Env(), static_cast<double>(engine::HostAllocator::peak_bytes())));
  const std::vector<engine::DeviceMemory> used = engine::device_memory();
  auto devices = Napi::Array::New(info.Env(), used.size());
  for (uint32_t i = 0; i < used.size(); i++) {
    auto device = Napi::Object::New(info.Env());
    const auto set = [&](const char* name, int64_t value) { device.Set(name, Napi::Number::New(info.Env(), static_cast<double>(value))); };
    device.Set("device", "cuda:" + std::to_string(used[i].index));
    set("allocatedBytes", used[i].allocated);
    set("allocatedPeakBytes", used[i].peak_allocated);
    set("reservedBytes", used[i].reserved);
    set("reservedPeakBytes", used[i].peak_reserved);
    set("retries", used[i].retries);
    devices.Set(i, device);
  }
  object.Set("devices", devices);
  return object;
}

Napi::Value reset_peak_memory(const Napi::CallbackInfo& info) {
  return AddonEnv::of(info.Env()).run_void(info.Env(), "resetPeakMemory", [] {
    engine::HostAllocator::reset_peak();
    engine::reset_peak_device_memory();
  });
}

Napi::Value release_device_memory(const Napi::CallbackInfo& info) {
  return AddonEnv::of(info.Env()).run_void(info.Env(), "releaseDeviceMemory", [] { engine::release_kept_device_memory(); });
}

}  // namespace

void register_runtime(Napi::Env env, Napi::Object exports, AddonEnv&) {
  exports.Set("abi", 1);
  exports.Set("versions", Napi::Function::New(env, versions, "versions"));
  exports.Set("setThreads", Napi::Function::New(env, set_threads, "setThreads"));
  exports.Set("sum", Napi::Function::New(env, sum, "sum"));
  exports.Set("backward", Napi::Function::New(env, backward, "backward"));
  exports.Set("readScalars", Napi::Function::New(env, read_scalars, "readScalars"));
  exports.Set("xcorrDepthwise", Napi::Function::New(env, xcorr, "xcorrDepthwise"));
  exports.Set("rngState", Napi::Function::New(env, rng_state, "rngState"));
  exports.Set("setRngState", Napi::Function::New(env, set_rng_state, "setRngState"));
  exports.Set("memory", Napi::Function::New(env, memory, "memory"));
  exports.Set("resetPeakMemory", Napi::Function::New(env, reset_peak_memory, "resetPeakMemory"));
  exports.Set("releaseDeviceMemory", Napi::Function::New(env, release_device_memory, "releaseDeviceMemory"));
}

}  // namespace siam::binding
