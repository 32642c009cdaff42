// The network that a tracker of a TrackerSpec runs.
#pragma once

#include <napi.h>

#include <memory>

#include "../core/siam_track.h"
#include "../tracking/network.h"

namespace siam::binding {

/// Of `spec.precision`, with CUDA graphs where the library for them is there; SIAMFCPP_TRACK_GRAPH=0 leaves them out.
/// @throws as tracking::make_network()
std::shared_ptr<tracking::Network> network_of(core::SiamTrack model, const Napi::Object& spec);

}  // namespace siam::binding
