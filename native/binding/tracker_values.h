// Frames, boxes and steps of trackers ⇄ JavaScript.
#pragma once

#include <napi.h>

#include "../tracking/tracker.h"

namespace siam::binding {

/// Copies the bytes: the caller may reuse its memory at once.
tracking::FrameInput frame_from_js(const Napi::Value& value);
tracking::Rect4 box_from_js(const Napi::Value& value);
Napi::Object step_to_js(Napi::Env env, const tracking::TrackStep& step);

}  // namespace siam::binding
