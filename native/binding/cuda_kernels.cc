// CudaKernelAddon of lib/native/addon-cuda-kernels.ts: the switch of our CUDA kernels, what they report, and their stages for tests.
#include "cuda_kernels.h"

#include "../base/error.h"
#include "../core/backbone.h"
#include "../core/cuda/jit.h"
#include "../core/cuda/nvrtc.h"
#include "../core/random.h"
#include "convert.h"
#include "registration.h"
#include "tensor.h"

namespace siam::binding {

namespace {

Napi::Value set_cuda_kernels(const Napi::CallbackInfo& info) {
  core::cuda::set_enabled(info[0].ToBoolean());
  return info.Env().Undefined();
}

Napi::Value cuda_kernels(const Napi::CallbackInfo& info) {
  struct Report {
    std::string failure;
    core::cuda::NvrtcReport compiler;
  };
  return AddonEnv::of(info.Env()).run<Report>(
      info.Env(), "cudaKernels", [] { return Report{core::cuda::failure(), core::cuda::nvrtc_report()}; },
      [](Napi::Env env, Report& report) -> Napi::Value {
        auto object = Napi::Object::New(env);
        object.Set("enabled", core::cuda::enabled());
        object.Set("failure", report.failure);
        auto compiler = Napi::Object::New(env);
        compiler.Set("path", report.compiler.path);
        compiler.Set("version", report.compiler.version);
        compiler.Set("why", report.compiler.why);
        object.Set("compiler", compiler);
        return object;
      });
}

Napi::Value compile_cuda_kernels(const Napi::CallbackInfo& info) {
  using Variants = std::vector<core::cuda::CompiledVariant>;
  const int capability = info[0].As<Napi::Number>().Int32Value();
  const std::string family = info[1].IsString() ? info[1].As<Napi::String>().Utf8Value() : std::string();
  return AddonEnv::of(info.Env()).run<Variants>(
      info.Env(), "compileCudaKernels", [capability, family] { return core::cuda::compile_all(capability, family); },
      [](Napi::Env env, Variants& variants) -> Napi::Value {
        auto array = Napi::Array::New(env, variants.size());
        for (uint32_t i = 0; i < variants.size(); i++) {
          auto object = Napi::Object::New(env);
          object.Set("name", variants[i].name);
          object.Set("bytes", static_cast<double>(variants[i].bytes));
          array.Set(i, object);
        }
        return array;
      });
}

Napi::Value tensor_result(const Napi::CallbackInfo& info, const char* operation, std::function<at::Tensor()> compute) {
  return AddonEnv::of(info.Env()).run<TensorPtr>(
      info.Env(), operation, [compute = std::move(compute)] { return make_slot(compute()); },
      [](Napi::Env env, TensorPtr& slot) -> Napi::Value { return TensorHandle::wrap(env, slot); });
}

Napi::Value cast_tensor(const Napi::CallbackInfo& info) {
  const TensorPtr x = TensorHandle::unwrap(info[0], "x");
  const at::ScalarType dtype = dtype_from_name(info[1].As<Napi::String>().Utf8Value());
  const auto format = info[2].As<Napi::String>().Utf8Value() == "channels_last" ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
  return tensor_result(info, "castTensor", [x, dtype, format] { return x->tensor.to(dtype).contiguous(format); });
}

Napi::Value norm_act(const Napi::CallbackInfo& info) {
  const TensorPtr x = TensorHandle::unwrap(info[0], "x");
  const auto given = info[1].As<Napi::Object>(), options = info[2].As<Napi::Object>();
  const auto tensor = [&](const char* name) { return TensorHandle::unwrap(given.Get(name), name); };
  const TensorPtr weight = tensor("weight"), bias = tensor("bias"), mean = tensor("runningMean"), variance = tensor("runningVar");
  const TensorPtr offset = given.Get("offset").IsObject() ? tensor("offset") : nullptr;
  const bool training = boolean(options, "training"), relu = boolean(options, "relu"), pooled = options.Get("pool").IsObject();
  core::PoolShape pool;
  if (pooled) pool = {number<int64_t>(options.Get("pool").As<Napi::Object>(), "padding"), boolean(options.Get("pool").As<Napi::Object>(), "ceil")};
  return tensor_result(info, "normAct", [=] {
    core::NormState state{weight->tensor, bias->tensor, mean->tensor, variance->tensor};
    const std::optional<at::Tensor> left_out = offset ? std::optional<at::Tensor>(offset->tensor) : std::nullopt;
    return pooled ? core::batch_norm_relu_pool(x->tensor, left_out, state, training, pool) : core::batch_norm_act(x->tensor, left_out, state, training, relu);
  });
}

Napi::Value prepare_image(const Napi::CallbackInfo& info) {
  const std::string backbone = info[0].As<Napi::String>().Utf8Value();
  const TensorPtr image = TensorHandle::unwrap(info[1], "image");
  const core::ComputeMode mode{dtype_from_name(info[2].As<Napi::String>().Utf8Value()), at::MemoryFormat::ChannelsLast, /*fold=*/info[3].ToBoolean()};
  return tensor_result(info, "prepareImage", [=] {
    core::BackboneOptions options;
    options.name = backbone;
    const std::lock_guard<std::mutex> alone(core::default_generator_mutex());
    return core::make_backbone(options)->prepare(image->tensor, mode);
  });
}

}  // namespace

void register_cuda_kernels(Napi::Env env, Napi::Object exports, AddonEnv&) {
  const auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) { exports.Set(name, Napi::Function::New(env, function, name)); };
  add("setCudaKernels", set_cuda_kernels);
  add("cudaKernels", cuda_kernels);
  add("compileCudaKernels", compile_cuda_kernels);
  add("castTensor", cast_tensor);
  add("normAct", norm_act);
  add("prepareImage", prepare_image);
  add("timeCudaKernel", time_cuda_kernel);
}

}  // namespace siam::binding
