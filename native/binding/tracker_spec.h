// TrackerSpec of lib/native/addon.ts → a tracker.
#pragma once

#include <napi.h>

#include <memory>

#include "../tracking/siamfcpp_tracker.h"

namespace siam::binding {

/// The tracker of `spec.kind`.
/// @param reader  one that several trackers share, or none     @throws SiamException ERR_CONFIG
std::shared_ptr<tracking::SiamFcppTracker> make_tracker(const Napi::Object& spec, std::shared_ptr<tracking::Network> network, std::shared_ptr<tracking::FrameReader> reader = nullptr);

}  // namespace siam::binding
