#include "tracker_values.h"

#include "../data/frame_decoder.h"
#include "convert.h"

namespace siam::binding {
namespace {

Napi::Array box_to_js(Napi::Env env, const tracking::Rect4& box) {
  auto array = Napi::Array::New(env, box.size());
  for (uint32_t i = 0; i < box.size(); ++i) array.Set(i, box[i]);
  return array;
}

}  // namespace

tracking::FrameInput frame_from_js(const Napi::Value& value) {
  using Kind = tracking::FrameInput::Kind;
  const auto object = value.As<Napi::Object>();
  const std::string kind = text(object, "kind");
  tracking::FrameInput frame;
  if (kind == "path") {
    frame.kind = Kind::kPath;
    frame.path = text(object, "path");
    return frame;
  }
  const auto bytes = object.Get("data").As<Napi::Uint8Array>();
  // Room for what the reader appends, so that it need not copy a whole frame again.
  frame.bytes.reserve(bytes.ByteLength() + data::kPixelSlack);
  frame.bytes.assign(bytes.Data(), bytes.Data() + bytes.ByteLength());
  if (kind == "bytes") {
    frame.kind = Kind::kBytes;
    return frame;
  }
  frame.kind = Kind::kPixels;
  frame.width = number<int>(object, "width");
  frame.height = number<int>(object, "height");
  frame.channels = number<int>(object, "channels");
  frame.rgb = text(object, "format") == "rgb";
  return frame;
}

tracking::Rect4 box_from_js(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  tracking::Rect4 box{};
  for (uint32_t i = 0; i < box.size(); ++i) box[i] = array.Get(i).As<Napi::Number>().DoubleValue();
  return box;
}

Napi::Object step_to_js(Napi::Env env, const tracking::TrackStep& step) {
  auto object = Napi::Object::New(env);
  object.Set("box", box_to_js(env, step.box));
  object.Set("score", step.score);
  object.Set("bestIndex", static_cast<double>(step.best_index));
  object.Set("pscore", step.pscore);
  object.Set("penalty", step.penalty);
  object.Set("scaleX", step.scale_x);
  object.Set("boxInCrop", box_to_js(env, step.box_in_crop));
  return object;
}

}  // namespace siam::binding
