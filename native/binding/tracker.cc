#include "tracker.h"

#include "convert.h"
#include "model.h"
#include "online.h"
#include "registration.h"
#include "tensor.h"
#include "tracker_network.h"
#include "tracker_spec.h"
#include "tracker_values.h"

namespace siam::binding {

const napi_type_tag TrackerHandle::kTag = {0x6c1f0d93a7e24b58, 0x94e3d82b57c01af6};

namespace {

using TrackerPtr = std::shared_ptr<tracking::Tracker>;
using Named = std::vector<std::pair<std::string, TensorPtr>>;

Napi::Value create_tracker(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const auto holder = ModelHandle::unwrap(info[0], "model");
  const auto spec = info[1].As<Napi::Object>();
  try {
    TrackerPtr tracker = tracker_maker(spec)(network_of(holder->model, spec), nullptr);
    return TrackerHandle::wrap(env, AddonEnv::of(env).tracker_class, std::move(tracker));
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    AddonEnv::of(env).throw_error(env, current_failure("createTracker"));
  }
}

}  // namespace

void TrackerHandle::define(Napi::Env env, AddonEnv& addon) {
  addon.tracker_class = Napi::Persistent(DefineClass(env, kName,
                                                     {InstanceMethod<&TrackerHandle::init>("init"), InstanceMethod<&TrackerHandle::update>("update"),
                                                      InstanceMethod<&TrackerHandle::debug>("debug"), InstanceAccessor("disposed", &TrackerHandle::js_disposed, nullptr),
                                                      InstanceMethod("dispose", &TrackerHandle::js_dispose)}));
}

Napi::Value TrackerHandle::init(const Napi::CallbackInfo& info) {
  const TrackerPtr tracker = get("init");
  auto frame = std::make_shared<tracking::FrameInput>(frame_from_js(info[0]));
  const auto box = box_from_js(info[1]);
  return AddonEnv::of(info.Env()).run_void(info.Env(), "init", [tracker, frame, box] { tracker->init(std::move(*frame), box); });
}

Napi::Value TrackerHandle::update(const Napi::CallbackInfo& info) {
  const TrackerPtr tracker = get("update");
  auto frame = std::make_shared<tracking::FrameInput>(frame_from_js(info[0]));
  std::optional<tracking::Rect4> prior;
  if (info[1].IsArray()) prior = box_from_js(info[1]);
  return AddonEnv::of(info.Env()).run<tracking::TrackStep>(
      info.Env(), "update", [tracker, frame, prior] { return tracker->update(std::move(*frame), prior); },
      [](Napi::Env env, tracking::TrackStep& step) -> Napi::Value { return step_to_js(env, step); });
}

Napi::Value TrackerHandle::debug(const Napi::CallbackInfo& info) {
  const TrackerPtr tracker = get("debug");
  return AddonEnv::of(info.Env()).run<Named>(
      info.Env(), "debug",
      [tracker] {
        Named slots;
        for (auto& [name, tensor] : tracker->debug()) slots.emplace_back(name, make_slot(tensor));
        return slots;
      },
      [](Napi::Env env, Named& slots) -> Napi::Value { return tensors_to_js(env, slots); });
}

void register_tracker(Napi::Env env, Napi::Object exports, AddonEnv& addon) {
  TrackerHandle::define(env, addon);
  register_online(env, exports);
  exports.Set("createTracker", Napi::Function::New(env, create_tracker, "createTracker"));
}

}  // namespace siam::binding
