#include "convert.h"

#include <cstring>
#include <utility>

#include "../base/error.h"

namespace siam::binding {

namespace {
constexpr std::pair<const char*, at::ScalarType> dtypes[] = {
    {"float32", at::kFloat}, {"float64", at::kDouble}, {"float16", at::kHalf}, {"bfloat16", at::kBFloat16}, {"int64", at::kLong},
    {"int32", at::kInt},     {"int16", at::kShort},    {"int8", at::kChar},    {"uint8", at::kByte},        {"bool", at::kBool}};
}

at::ScalarType dtype_from_name(const std::string& name) {
  for (const auto& [key, dtype] : dtypes) {
    if (name == key) return dtype;
  }
  throw SiamException("ERR_ARGUMENT", "Expected a dtype name but received '" + name + "'");
}

const char* dtype_name(at::ScalarType dtype) {
  for (const auto& [key, value] : dtypes) {
    if (value == dtype) return key;
  }
  throw SiamException("ERR_INTERNAL", std::string("a tensor of unsupported dtype ") + c10::toString(dtype));
}

std::vector<int64_t> shape_from_js(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  std::vector<int64_t> shape(array.Length());
  for (uint32_t i = 0; i < array.Length(); i++) shape[i] = array.Get(i).As<Napi::Number>().Int64Value();
  return shape;
}

Napi::Array shape_to_js(Napi::Env env, at::IntArrayRef shape) {
  auto array = Napi::Array::New(env, shape.size());
  for (uint32_t i = 0; i < shape.size(); i++) array.Set(i, Napi::Number::New(env, static_cast<double>(shape[i])));
  return array;
}

RawTensor raw_from_js(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  RawTensor raw;
  if (object.Has("name")) raw.name = text(object, "name");
  raw.dtype = dtype_from_name(text(object, "dtype"));
  raw.shape = shape_from_js(object.Get("shape"));
  const auto data = object.Get("data").As<Napi::Uint8Array>();
  int64_t numel = 1;
  for (const int64_t size : raw.shape) numel *= size;
  if (static_cast<size_t>(numel) * c10::elementSize(raw.dtype) != data.ByteLength()) {
    throw SiamException("ERR_SHAPE", "tensor '" + raw.name + "': its shape asks for " + std::to_string(numel * c10::elementSize(raw.dtype)) +
                                         " bytes of " + c10::toString(raw.dtype) + ", its data has " + std::to_string(data.ByteLength()));
  }
  raw.bytes.assign(data.Data(), data.Data() + data.ByteLength());
  return raw;
}

std::vector<RawTensor> raws_from_js(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  std::vector<RawTensor> raws;
  raws.reserve(array.Length());
  for (uint32_t i = 0; i < array.Length(); i++) raws.push_back(raw_from_js(array.Get(i)));
  return raws;
}

Napi::Object raw_to_js(Napi::Env env, RawTensor& raw) {
  auto object = Napi::Object::New(env);
  if (!raw.name.empty()) object.Set("name", raw.name);
  object.Set("dtype", dtype_name(raw.dtype));
  object.Set("shape", shape_to_js(env, raw.shape));
  auto buffer = Napi::ArrayBuffer::New(env, raw.bytes.size());
  if (!raw.bytes.empty()) std::memcpy(buffer.Data(), raw.bytes.data(), raw.bytes.size());
  object.Set("data", Napi::Uint8Array::New(env, raw.bytes.size(), buffer, 0));
  return object;
}

Napi::Array raws_to_js(Napi::Env env, std::vector<RawTensor>& raws) {
  auto array = Napi::Array::New(env, raws.size());
  for (uint32_t i = 0; i < raws.size(); i++) array.Set(i, raw_to_js(env, raws[i]));
  return array;
}

at::Tensor tensor_from_raw(const RawTensor& raw) {
  at::Tensor tensor = at::empty(raw.shape, at::TensorOptions().dtype(raw.dtype));
  if (!raw.bytes.empty()) std::memcpy(tensor.data_ptr(), raw.bytes.data(), raw.bytes.size());
  return tensor;
}

RawTensor raw_from_tensor(const at::Tensor& tensor, std::string name) {
  const at::Tensor plain = tensor.detach().to(at::kCPU).contiguous();
  RawTensor raw;
  raw.name = std::move(name);
  raw.dtype = plain.scalar_type();
  raw.shape = plain.sizes().vec();
  const auto* data = static_cast<const uint8_t*>(plain.const_data_ptr());
  raw.bytes.assign(data, data + plain.nbytes());
  return raw;
}

std::vector<std::string> strings_from_js(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  std::vector<std::string> strings(array.Length());
  for (uint32_t i = 0; i < array.Length(); i++) strings[i] = array.Get(i).As<Napi::String>().Utf8Value();
  return strings;
}

}  // namespace siam::binding
