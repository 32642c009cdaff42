// NativeMultiTracker of lib/native/addon.ts.
#include "../tracking/multi_tracker.h"

#include "convert.h"
#include "model.h"
#include "registration.h"
#include "tracker_network.h"
#include "tracker_spec.h"
#include "tracker_values.h"

namespace siam::binding {
namespace {

using MultiTrackerPtr = std::shared_ptr<tracking::MultiTracker>;
using TargetSteps = std::vector<tracking::MultiTracker::TargetStep>;
using Ids = std::vector<int64_t>;

class MultiTrackerHandle : public Handle<MultiTrackerHandle, tracking::MultiTracker> {
 public:
  static constexpr const char* kName = "MultiTracker";
  static const napi_type_tag kTag;
  using Handle::Handle;
  static void define(Napi::Env env, AddonEnv& addon);

 private:
  Napi::Value init(const Napi::CallbackInfo& info);
  Napi::Value add(const Napi::CallbackInfo& info);
  Napi::Value remove(const Napi::CallbackInfo& info);
  Napi::Value update(const Napi::CallbackInfo& info);
};

const napi_type_tag MultiTrackerHandle::kTag = {0x1f7a90c25be84d36, 0x83d4e6170b9ca25f};

std::vector<tracking::Rect4> boxes_from_js(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  std::vector<tracking::Rect4> boxes;
  for (uint32_t i = 0; i < array.Length(); ++i) boxes.push_back(box_from_js(array.Get(i)));
  return boxes;
}

Napi::Value ids_to_js(Napi::Env env, Ids& ids) {
  auto array = Napi::Array::New(env, ids.size());
  for (uint32_t i = 0; i < ids.size(); ++i) array.Set(i, static_cast<double>(ids[i]));
  return array;
}

Napi::Value steps_to_js(Napi::Env env, TargetSteps& steps) {
  auto array = Napi::Array::New(env, steps.size());
  for (uint32_t i = 0; i < steps.size(); ++i) {
    Napi::Object object = step_to_js(env, steps[i].step);
    object.Set("id", static_cast<double>(steps[i].id));
    array.Set(i, object);
  }
  return array;
}

void MultiTrackerHandle::define(Napi::Env env, AddonEnv& addon) {
  addon.multi_tracker_class = Napi::Persistent(
      DefineClass(env, kName,
                  {InstanceMethod<&MultiTrackerHandle::init>("init"), InstanceMethod<&MultiTrackerHandle::add>("add"), InstanceMethod<&MultiTrackerHandle::remove>("remove"),
                   InstanceMethod<&MultiTrackerHandle::update>("update"), InstanceAccessor("disposed", &MultiTrackerHandle::js_disposed, nullptr),
                   InstanceMethod("dispose", &MultiTrackerHandle::js_dispose)}));
}

Napi::Value MultiTrackerHandle::init(const Napi::CallbackInfo& info) {
  const MultiTrackerPtr tracker = get("init");
  auto frame = std::make_shared<tracking::FrameInput>(frame_from_js(info[0]));
  return AddonEnv::of(info.Env()).run<Ids>(
      info.Env(), "init", [tracker, frame, boxes = boxes_from_js(info[1])] { return tracker->init(std::move(*frame), boxes); }, ids_to_js);
}

Napi::Value MultiTrackerHandle::add(const Napi::CallbackInfo& info) {
  const MultiTrackerPtr tracker = get("add");
  auto frame = std::make_shared<tracking::FrameInput>(frame_from_js(info[0]));
  return AddonEnv::of(info.Env()).run<Ids>(
      info.Env(), "add", [tracker, frame, boxes = boxes_from_js(info[1])] { return tracker->add(std::move(*frame), boxes); }, ids_to_js);
}

Napi::Value MultiTrackerHandle::remove(const Napi::CallbackInfo& info) {
  const MultiTrackerPtr tracker = get("remove");
  const int64_t id = info[0].As<Napi::Number>().Int64Value();
  return AddonEnv::of(info.Env()).run<bool>(
      info.Env(), "remove", [tracker, id] { return tracker->remove(id); }, [](Napi::Env env, bool& removed) -> Napi::Value { return Napi::Boolean::New(env, removed); });
}

Napi::Value MultiTrackerHandle::update(const Napi::CallbackInfo& info) {
  const MultiTrackerPtr tracker = get("update");
  auto frame = std::make_shared<tracking::FrameInput>(frame_from_js(info[0]));
  return AddonEnv::of(info.Env()).run<TargetSteps>(
      info.Env(), "update", [tracker, frame] { return tracker->update(std::move(*frame)); }, steps_to_js);
}

/// What a tracker of `spec` is made with, for every target: JavaScript's values are read once, here.
tracking::MultiTracker::MakeTracker maker(const Napi::Object& spec, const std::shared_ptr<tracking::Network>& network) {
  return [make = tracker_maker(spec), network](std::shared_ptr<tracking::FrameReader> reader) { return make(network, std::move(reader)); };
}

Napi::Value create_multi_tracker(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const auto holder = ModelHandle::unwrap(info[0], "model");
  const auto spec = info[1].As<Napi::Object>();
  try {
    auto network = network_of(holder->model, spec);
    return MultiTrackerHandle::wrap(env, AddonEnv::of(env).multi_tracker_class, std::make_shared<tracking::MultiTracker>(network, maker(spec, network), boolean(info[2].As<Napi::Object>(), "shareWindows")));
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    AddonEnv::of(env).throw_error(env, current_failure("createMultiTracker"));
  }
}

}  // namespace

void register_multi_tracker(Napi::Env env, Napi::Object exports, AddonEnv& addon) {
  MultiTrackerHandle::define(env, addon);
  exports.Set("createMultiTracker", Napi::Function::New(env, create_multi_tracker, "createMultiTracker"));
}

}  // namespace siam::binding
