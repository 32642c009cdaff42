// JavaScript values ⇄ C++: tensors, shapes, options. Arguments were validated in TypeScript; what is wrong here is a bug of ours.
#pragma once

#include <napi.h>
#include <ATen/ATen.h>

#include <string>
#include <vector>

namespace siam::binding {

/// A tensor's contents on their way between JavaScript and the engine: contiguous, little endian.
struct RawTensor {
  std::string name;
  at::ScalarType dtype = at::kFloat;
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;
};

at::ScalarType dtype_from_name(const std::string& name);
const char* dtype_name(at::ScalarType dtype);

std::vector<int64_t> shape_from_js(const Napi::Value& value);
Napi::Array shape_to_js(Napi::Env env, at::IntArrayRef shape);

/// Copies the bytes out of JavaScript's memory (the caller may reuse its array at once).
RawTensor raw_from_js(const Napi::Value& value);
std::vector<RawTensor> raws_from_js(const Napi::Value& value);
Napi::Object raw_to_js(Napi::Env env, RawTensor& raw);
Napi::Array raws_to_js(Napi::Env env, std::vector<RawTensor>& raws);

at::Tensor tensor_from_raw(const RawTensor& raw);
RawTensor raw_from_tensor(const at::Tensor& tensor, std::string name = "");

std::vector<std::string> strings_from_js(const Napi::Value& value);

template <class T>
T number(const Napi::Object& object, const char* key) {
  return static_cast<T>(object.Get(key).As<Napi::Number>().DoubleValue());
}
inline bool boolean(const Napi::Object& object, const char* key) { return object.Get(key).ToBoolean().Value(); }
inline std::string text(const Napi::Object& object, const char* key) { return object.Get(key).As<Napi::String>().Utf8Value(); }

}  // namespace siam::binding
