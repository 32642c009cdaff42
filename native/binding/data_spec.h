// LoaderSpec and its parts (lib/native/addon.ts) → native/data's configuration.
#pragma once

#include <napi.h>

#include <c10/core/Device.h>

#include "../data/loader.h"

namespace siam::binding {

/// @throws SiamException ERR_DATA when the parts of an index do not fit together
data::Datasets datasets_from_js(const Napi::Value& value);

/// @throws SiamException ERR_ARGUMENT unless the steps are positive
data::PixelGrid grid_from_js(const Napi::Value& value);
Napi::Object grid_to_js(Napi::Env env, const data::PixelGrid& grid);

/// A copy of the pixels that are in memory, and where they lie: data, width, height, x, y.     @param view  with nothing between its rows
Napi::Object view_to_js(Napi::Env env, const data::FrameView& view);

/// Memory for batches that are copied to `device`.     @throws ERR_DEVICE when it is not there
data::BlockAllocator batch_memory(c10::Device device);

data::CropConfig crop_from_js(const Napi::Value& value);
data::TargetConfig target_from_js(const Napi::Value& value);
data::SamplerConfig sampler_from_js(const Napi::Object& spec);
data::SampleConfig sample_from_js(const Napi::Object& spec);
data::LoaderConfig loader_from_js(const Napi::Object& spec);

}  // namespace siam::binding
