// Frames of any format that training takes, for tools and tests: decodeFrame, frameInfo, verifyFrame; and the library for PNG and WebP.
#include "../base/error.h"
#include "../data/file.h"
#include "../data/frame_decoder.h"
#include "../data/picture/vips_api.h"
#include "convert.h"
#include "data_spec.h"
#include "guarded.h"
#include "registration.h"

namespace siam::binding {
namespace {

Napi::Value set_picture_library(const Napi::CallbackInfo& info) {
  data::vips::SetPath(info[0].As<Napi::String>().Utf8Value());
  return info.Env().Undefined();
}

Napi::Value picture_library(const Napi::CallbackInfo& info) {
  return guarded(info, "pictureLibrary", [&]() -> Napi::Value {
    auto object = Napi::Object::New(info.Env());
    object.Set("path", data::vips::Path());
    if (info[0].ToBoolean().Value()) data::vips::Get();
    object.Set("version", data::vips::Version());
    return object;
  });
}

Napi::Object size_to_js(Napi::Env env, const data::FrameInfo& header) {
  auto object = Napi::Object::New(env);
  object.Set("width", Napi::Number::New(env, header.width));
  object.Set("height", Napi::Number::New(env, header.height));
  return object;
}

Napi::Value decode_frame(const Napi::CallbackInfo& info) {
  return guarded(info, "decodeFrame", [&]() -> Napi::Value {
    const auto bytes = info[0].As<Napi::Uint8Array>();
    data::FrameDecoder decoder;
    const data::FrameInfo header = decoder.Header(bytes.Data(), bytes.ByteLength(), "");
    std::vector<uint8_t> pixels;
    data::FrameView view;
    if (info.Length() > 1 && info[1].IsObject()) {
      const auto region = info[1].As<Napi::Object>();
      const data::Rect wanted{number<int>(region, "x"), number<int>(region, "y"), number<int>(region, "width"), number<int>(region, "height")};
      if (wanted.Empty() || !data::Rect{0, 0, header.width, header.height}.Contains(wanted)) {
        throw SiamException("ERR_ARGUMENT", "Expected a region inside of the frame of " + std::to_string(header.width) + "x" + std::to_string(header.height));
      }
      view = decoder.DecodeRegion(header, wanted, bytes.Data(), bytes.ByteLength(), "", pixels);
    } else {
      view = decoder.Decode(header, bytes.Data(), bytes.ByteLength(), "", pixels);
    }
    return view_to_js(info.Env(), view);
  });
}

Napi::Value frame_info(const Napi::CallbackInfo& info) {
  return guarded(info, "frameInfo", [&]() -> Napi::Value {
    const auto bytes = info[0].As<Napi::Uint8Array>();
    data::FrameDecoder decoder;
    return size_to_js(info.Env(), decoder.Header(bytes.Data(), bytes.ByteLength(), ""));
  });
}

Napi::Value verify_frame(const Napi::CallbackInfo& info) {
  return guarded(info, "verifyFrame", [&]() -> Napi::Value {
    const std::string file = info[0].As<Napi::String>().Utf8Value();
    // Kept by the thread: a worker that verifies a data set asks for thousands of frames of one size.
    thread_local std::vector<uint8_t> bytes, pixels;
    const size_t size = data::ReadFile(file, bytes);
    data::FrameDecoder decoder;
    const data::FrameInfo header = decoder.Header(bytes.data(), size, file);
    decoder.Decode(header, bytes.data(), size, file, pixels);
    Napi::Object object = size_to_js(info.Env(), header);
    object.Set("bytes", Napi::Number::New(info.Env(), static_cast<double>(size)));
    return object;
  });
}

}  // namespace

void register_data_frames(Napi::Env env, Napi::Object exports) {
  const auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) { exports.Set(name, Napi::Function::New(env, function, name)); };
  add("setPictureLibrary", set_picture_library);
  add("pictureLibrary", picture_library);
  add("decodeFrame", decode_frame);
  add("frameInfo", frame_info);
  add("verifyFrame", verify_frame);
}

}  // namespace siam::binding
