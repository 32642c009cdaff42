#include "tensor.h"

#include "convert.h"
#include "registration.h"
#include "../base/error.h"
#include "../engine/cuda_runtime.h"

namespace siam::binding {

const napi_type_tag TensorHandle::kTag = {0x7c1f6e0a52d84b31, 0x9d30c4a7e85b6f12};

TensorPtr make_slot(at::Tensor tensor) {
  auto slot = std::make_shared<TensorSlot>();
  slot->shape = tensor.sizes().vec();
  slot->dtype = tensor.scalar_type();
  slot->device = tensor.device().str();
  slot->tensor = std::move(tensor);
  return slot;
}

Napi::Object TensorHandle::wrap(Napi::Env env, TensorPtr slot) {
  int64_t bytes = static_cast<int64_t>(c10::elementSize(slot->dtype));
  for (const int64_t size : slot->shape) bytes *= size;
  const bool on_host = slot->device.rfind("cpu", 0) == 0;
  Napi::Object object = Handle::wrap(env, AddonEnv::of(env).tensor_class, std::move(slot));
  if (on_host) Unwrap(object)->account(bytes);
  return object;
}

void TensorHandle::define(Napi::Env env, AddonEnv& addon) {
  addon.tensor_class = Napi::Persistent(DefineClass(env, kName,
                                                    {InstanceAccessor<&TensorHandle::shape>("shape"), InstanceAccessor<&TensorHandle::dtype>("dtype"),
                                                     InstanceAccessor<&TensorHandle::device>("device"), InstanceAccessor("disposed", &TensorHandle::js_disposed, nullptr),
                                                     InstanceMethod<&TensorHandle::to_bytes>("toBytes"), InstanceMethod<&TensorHandle::gradient>("gradient"),
                                                     InstanceMethod("dispose", &TensorHandle::js_dispose)}));
}

Napi::Value TensorHandle::shape(const Napi::CallbackInfo& info) { return shape_to_js(info.Env(), get("shape")->shape); }
Napi::Value TensorHandle::dtype(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), dtype_name(get("dtype")->dtype)); }
Napi::Value TensorHandle::device(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), get("device")->device); }

Napi::Value TensorHandle::to_bytes(const Napi::CallbackInfo& info) {
  TensorPtr slot = get("toBytes");
  return AddonEnv::of(info.Env()).run<RawTensor>(
      info.Env(), "toBytes", [slot] { return raw_from_tensor(slot->tensor); },
      [](Napi::Env env, RawTensor& raw) -> Napi::Value { return raw_to_js(env, raw).Get("data"); });
}

Napi::Value TensorHandle::gradient(const Napi::CallbackInfo& info) {
  using Result = std::optional<RawTensor>;
  TensorPtr slot = get("gradient");
  return AddonEnv::of(info.Env()).run<Result>(
      info.Env(), "gradient",
      [slot]() -> Result {
        const at::Tensor gradient = slot->tensor.is_leaf() ? slot->tensor.grad() : at::Tensor();
        return gradient.defined() ? Result(raw_from_tensor(gradient)) : std::nullopt;
      },
      [](Napi::Env env, Result& raw) -> Napi::Value { return raw ? Napi::Value(raw_to_js(env, *raw)) : env.Null(); });
}

std::vector<std::pair<std::string, TensorPtr>> tensors_from_js(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  const auto names = object.GetPropertyNames();
  std::vector<std::pair<std::string, TensorPtr>> tensors;
  for (uint32_t i = 0; i < names.Length(); i++) {
    const std::string name = names.Get(i).As<Napi::String>().Utf8Value();
    tensors.emplace_back(name, TensorHandle::unwrap(object.Get(name), name.c_str()));
  }
  return tensors;
}

Napi::Object tensors_to_js(Napi::Env env, const std::vector<std::pair<std::string, TensorPtr>>& tensors) {
  auto object = Napi::Object::New(env);
  for (const auto& [name, slot] : tensors) object.Set(name, TensorHandle::wrap(env, slot));
  return object;
}

std::vector<TensorPtr> tensor_list_from_js(const Napi::Value& value, const char* argument) {
  const auto array = value.As<Napi::Array>();
  std::vector<TensorPtr> tensors;
  for (uint32_t i = 0; i < array.Length(); i++) tensors.push_back(TensorHandle::unwrap(array.Get(i), argument));
  return tensors;
}

namespace {

Napi::Value tensor_from(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  AddonEnv& addon = AddonEnv::of(env);
  auto raw = std::make_shared<RawTensor>();
  auto slot = std::make_shared<TensorSlot>();
  c10::Device device = c10::kCPU;
  try {
    *raw = raw_from_js(info[0]);
    // Looked at here: a failure on the engine thread would surface at some later, unrelated promise.
    device = engine::device_named(info[1].As<Napi::String>().Utf8Value());
    engine::require_device(device);
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {  // also libtorch's, for a device of another name
    addon.throw_error(env, current_failure("Tensor.from"));
  }
  slot->shape = raw->shape;
  slot->dtype = raw->dtype;
  slot->device = device.str();
  bool requires_grad = false, interleaved = false;
  if (info.Length() > 2 && info[2].IsObject()) {
    const auto options = info[2].As<Napi::Object>();
    requires_grad = boolean(options, "requiresGrad");
    interleaved = options.Has("memoryFormat") && text(options, "memoryFormat") == "channels_last";
  }
  // FIFO: whatever uses the handle comes after this task.
  addon.post("Tensor.from", [raw, slot, device, requires_grad, interleaved] {
    at::Tensor tensor = tensor_from_raw(*raw).to(device);
    if (interleaved) tensor = tensor.contiguous(at::MemoryFormat::ChannelsLast);
    slot->tensor = tensor.requires_grad_(requires_grad);
  });
  return TensorHandle::wrap(env, slot);
}

}  // namespace

void register_tensor(Napi::Env env, Napi::Object exports, AddonEnv& addon) {
  TensorHandle::define(env, addon);
  exports.Set("tensorFrom", Napi::Function::New(env, tensor_from, "tensorFrom"));
}

}  // namespace siam::binding
