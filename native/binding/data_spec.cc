#include "data_spec.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "../base/error.h"
#include "../engine/cuda_runtime.h"
#include "../engine/pinned_memory.h"
#include "convert.h"
#include "data_index.h"
#include "data_pack.h"
#include "frame_cache.h"
#include "guarded.h"

namespace siam::binding {
namespace {

template <class T>
T number_or(const Napi::Object& object, const char* key, T otherwise) {
  const Napi::Value value = object.Get(key);
  return value.IsUndefined() ? otherwise : static_cast<T>(value.As<Napi::Number>().DoubleValue());
}

/// nullptr where frames are files.
std::shared_ptr<const data::PackFile> pack_of(const Napi::Object& index) {
  const Napi::Value pack = index.Get("pack");
  return pack.IsObject() ? PackHandle::unwrap(pack, "pack") : nullptr;
}

std::shared_ptr<const data::DatasetIndex> dataset_from_js(const Napi::Object& index) {
  const Napi::Value file = index.Get("file");
  if (file.IsObject()) {
    const auto opened = IndexFileHandle::unwrap(file, "file");
    return std::make_shared<data::DatasetIndex>(text(index, "name"), number<double>(index, "ratio"), number<int64_t>(index, "maxDiff"),
                                                data::IndexFile::Sections(opened), opened->stills(), pack_of(index), opened->means());
  }
  const data::Stills stills{index.Get("still").ToBoolean().Value(), number_or<uint32_t>(index, "emptyStills", 0)};
  const Napi::Value sections = index.Get("sections");
  if (sections.IsObject()) {
    return std::make_shared<data::DatasetIndex>(text(index, "name"), number<double>(index, "ratio"), number<int64_t>(index, "maxDiff"),
                                                sections_from_js(sections.As<Napi::Object>()), stills, pack_of(index));
  }
  const auto dirs = index.Get("sequenceDirs").As<Napi::Array>();
  const auto patterns = index.Get("framePatterns").As<Napi::Array>();
  const auto names = index.Get("frameNames").As<Napi::Array>();
  const auto first = index.Get("firstNumbers").As<Napi::Int32Array>();
  const auto start = index.Get("sequenceStart").As<Napi::Uint32Array>();
  const auto boxes = index.Get("boxes").As<Napi::Float32Array>();
  const uint32_t count = dirs.Length();
  if (patterns.Length() != count || names.Length() != count || first.ElementLength() != count || boxes.ElementLength() % 4 != 0) {
    throw SiamException("ERR_DATA", "data set " + text(index, "name") + ": expected one pattern, name list and first number for each sequence");
  }
  std::vector<data::Sequence> sequences(count);
  for (uint32_t i = 0; i < count; i++) {
    // Millions of names may pass here: without a scope of its own each iteration's values would pile up until the call returns.
    const Napi::HandleScope scope(index.Env());
    data::Sequence& sequence = sequences[i];
    sequence.dir = dirs.Get(i).As<Napi::String>().Utf8Value();
    sequence.pattern = patterns.Get(i).As<Napi::String>().Utf8Value();
    sequence.first_number = first[i];
    const Napi::Value listed = names.Get(i);
    if (sequence.pattern.empty() && listed.IsArray()) sequence.names = strings_from_js(listed);
  }
  std::vector<data::Xyxy> corners(boxes.ElementLength() / 4);
  if (!corners.empty()) std::memcpy(corners.data(), boxes.Data(), boxes.ByteLength());
  return std::make_shared<data::DatasetIndex>(text(index, "name"), number<double>(index, "ratio"), number<int64_t>(index, "maxDiff"), std::move(sequences),
                                              std::vector<uint32_t>(start.Data(), start.Data() + start.ElementLength()), std::move(corners), stills);
}

}  // namespace

data::BlockAllocator batch_memory(c10::Device device) {
  // Only the engine thread works with devices; this asks for their memory alone.
  engine::require_device(device);
  const auto memory = std::make_shared<engine::PinnedMemory>(device);
  return {[memory](size_t bytes) { return memory->allocate(bytes); }, [memory](void* block) { memory->release(block); }};
}

data::Datasets datasets_from_js(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  data::Datasets datasets;
  for (uint32_t i = 0; i < array.Length(); i++) datasets.push_back(dataset_from_js(array.Get(i).As<Napi::Object>()));
  return datasets;
}

data::PixelGrid grid_from_js(const Napi::Value& value) {
  const auto axis = [&](const char* name) -> data::GridAxis {
    const auto given = value.As<Napi::Object>().Get(name).As<Napi::Object>();
    const data::GridAxis grid{number<double>(given, "origin"), number<double>(given, "step")};
    if (!std::isfinite(grid.origin) || !(grid.step > 0) || !std::isfinite(grid.step)) {
      throw SiamException("ERR_ARGUMENT", std::string("Expected a finite origin and a positive step of grid.") + name + " but received " +
                                              std::to_string(grid.origin) + " and " + std::to_string(grid.step));
    }
    return grid;
  };
  return {axis("x"), axis("y")};
}

Napi::Object grid_to_js(Napi::Env env, const data::PixelGrid& grid) {
  const auto axis = [env](const data::GridAxis& given) {
    auto object = Napi::Object::New(env);
    object.Set("origin", given.origin);
    object.Set("step", given.step);
    return object;
  };
  auto object = Napi::Object::New(env);
  object.Set("x", axis(grid.x));
  object.Set("y", axis(grid.y));
  return object;
}

Napi::Object view_to_js(Napi::Env env, const data::FrameView& view) {
  auto object = Napi::Object::New(env);
  object.Set("data", bytes_to_js(env, view.pixels, view.stride * static_cast<size_t>(view.region.height)));
  object.Set("width", Napi::Number::New(env, view.region.width));
  object.Set("height", Napi::Number::New(env, view.region.height));
  object.Set("x", Napi::Number::New(env, view.region.x));
  object.Set("y", Napi::Number::New(env, view.region.y));
  return object;
}

data::CropConfig crop_from_js(const Napi::Value& value) {
  const auto crop = value.As<Napi::Object>();
  data::CropConfig config;
  config.context_amount = number<double>(crop, "contextAmount");
  config.max_scale = number<double>(crop, "maxScale");
  config.max_shift = number<double>(crop, "maxShift");
  config.max_scale_temp = number<double>(crop, "maxScaleTemp");
  config.max_shift_temp = number<double>(crop, "maxShiftTemp");
  config.z_size = number<int>(crop, "zSize");
  config.x_size = number<int>(crop, "xSize");
  return config;
}

data::TargetConfig target_from_js(const Napi::Value& value) {
  const auto target = value.As<Napi::Object>();
  return {number<int>(target, "totalStride"), number<int>(target, "scoreSize"), number<int>(target, "xSize")};
}

data::SamplerConfig sampler_from_js(const Napi::Object& spec) {
  data::SamplerConfig config;
  config.negative_pair_ratio = number<double>(spec, "negativePairRatio");
  config.symmetric_window = boolean(spec, "symmetricWindow");
  const Napi::Value filter = spec.Get("filter");
  if (filter.IsObject()) {
    const auto object = filter.As<Napi::Object>();
    config.filter = {true, number<double>(object, "maxAreaRate"), number<double>(object, "minAreaRate"), number<double>(object, "maxRatio"),
                     boolean(object, "applyAreaLimits")};
  }
  return config;
}

data::SampleConfig sample_from_js(const Napi::Object& spec) {
  data::SampleConfig config;
  config.seed = number<uint64_t>(spec, "seed");
  config.crop = crop_from_js(spec.Get("crop"));
  config.target = target_from_js(spec.Get("target"));
  const Napi::Value remember = spec.Get("rememberMeans");
  config.remember_means = remember.IsUndefined() || remember.ToBoolean().Value();
  const Napi::Value decode = spec.Get("decode");
  config.fast_decode = decode.IsString() && decode.As<Napi::String>().Utf8Value() == "fast";
  return config;
}

data::LoaderConfig loader_from_js(const Napi::Object& spec) {
  data::LoaderConfig config;
  config.sample = sample_from_js(spec);
  config.batch_size = number<int>(spec, "batchSize");
  config.threads = number<int>(spec, "threads");
  config.queue_batches = number<int>(spec, "queueBatches");
  config.samples_per_epoch = number<uint32_t>(spec, "samplesPerEpoch");
  config.start_epoch = number<uint32_t>(spec, "startEpoch");
  config.start_sample = number<uint32_t>(spec, "startSample");
  config.rank = number_or<int>(spec, "rank", 0);
  config.world_size = number_or<int>(spec, "worldSize", 1);
  config.strict = boolean(spec, "strict");
  config.read_ahead.threads = number_or<int>(spec, "readAheadThreads", 0);
  config.read_ahead.bytes = number_or<uint64_t>(spec, "readAheadBytes", config.read_ahead.bytes);
  config.read_delay = std::chrono::microseconds(number_or<int64_t>(spec, "readDelayMicroseconds", 0));
  const Napi::Value cache = spec.Get("cache");
  if (!cache.IsUndefined()) config.cache = FrameCacheHandle::unwrap(cache, "cache");
  const Napi::Value device = spec.Get("device");
  if (device.IsString()) config.allocator = batch_memory(engine::device_named(device.As<Napi::String>().Utf8Value()));
  return config;
}

}  // namespace siam::binding
