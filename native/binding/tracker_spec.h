// TrackerSpec of lib/native/addon.ts → a tracker.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>

#include "../tracking/siamfcpp_tracker.h"

namespace siam::binding {

using MakeTracker = std::function<std::shared_ptr<tracking::SiamFcppTracker>(std::shared_ptr<tracking::Network> network, std::shared_ptr<tracking::FrameReader> reader)>;

/// Makes trackers of `spec.kind`; `spec` is read here, so that the function may be called on any thread. A reader of none: each its own.
/// @throws SiamException ERR_ARGUMENT for a kind that is none; the function throws ERR_CONFIG for sizes that do not fit
MakeTracker tracker_maker(const Napi::Object& spec);

}  // namespace siam::binding
