// The online tracker's part of a TrackerSpec (lib/native/addon.ts).
#pragma once

#include <napi.h>

#include "../tracking/online/options.h"

namespace siam::binding {

tracking::online::OnlineOptions online_options_from_js(const Napi::Object& spec);

/// The classifier on given features, and its augmentation, for tests and tools. Called by register_tracker.
void register_online(Napi::Env env, Napi::Object exports);

}  // namespace siam::binding
