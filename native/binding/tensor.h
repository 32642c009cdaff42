// NativeTensor of lib/native/addon.ts.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "handle.h"

namespace siam::binding {

/// A tensor and what JavaScript may ask about it without visiting the engine thread. `tensor` is touched on the engine thread only.
struct TensorSlot {
  at::Tensor tensor;
  std::vector<int64_t> shape;
  at::ScalarType dtype = at::kFloat;
  std::string device;
};

using TensorPtr = std::shared_ptr<TensorSlot>;

/// Engine thread.
TensorPtr make_slot(at::Tensor tensor);

class TensorHandle : public Handle<TensorHandle, TensorSlot> {
 public:
  static constexpr const char* kName = "Tensor";
  static const napi_type_tag kTag;
  using Handle::Handle;

  static Napi::Object wrap(Napi::Env env, TensorPtr slot);
  static void define(Napi::Env env, AddonEnv& addon);

 private:
  Napi::Value shape(const Napi::CallbackInfo& info);
  Napi::Value dtype(const Napi::CallbackInfo& info);
  Napi::Value device(const Napi::CallbackInfo& info);
  Napi::Value to_bytes(const Napi::CallbackInfo& info);
  Napi::Value gradient(const Napi::CallbackInfo& info);
};

/// { name: tensor } of JavaScript → slots, in the object's order.
std::vector<std::pair<std::string, TensorPtr>> tensors_from_js(const Napi::Value& value);
Napi::Object tensors_to_js(Napi::Env env, const std::vector<std::pair<std::string, TensorPtr>>& tensors);
std::vector<TensorPtr> tensor_list_from_js(const Napi::Value& value, const char* argument);

}  // namespace siam::binding
