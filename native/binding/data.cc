// The data primitives of lib/native/addon.ts: JPEG, crops, labels, sampling. All run at once on the JavaScript thread; the training
// path uses createLoader (data_loader.cc).
#include <utility>

#include "../base/error.h"
#include "../data/jpeg.h"
#include "../data/sample_maker.h"
#include "../data/target.h"
#include "../data/warp.h"
#include "convert.h"
#include "data_bench.h"
#include "data_index.h"
#include "data_loader.h"
#include "data_pack.h"
#include "data_pack_job.h"
#include "data_spec.h"
#include "frame_cache.h"
#include "guarded.h"
#include "registration.h"

namespace siam::binding {
namespace {

Napi::Float32Array floats_to_js(Napi::Env env, const float* data, size_t count) {
  auto array = Napi::Float32Array::New(env, count);
  std::copy(data, data + count, array.Data());
  return array;
}

data::Xyxy box_from_js(const Napi::Value& value) {
  const auto array = value.As<Napi::Float32Array>();
  if (array.ElementLength() != 4) throw SiamException("ERR_ARGUMENT", "Expected 4 numbers for a box but received " + std::to_string(array.ElementLength()));
  return {array[0], array[1], array[2], array[3]};
}

/// Pixels of width × height × 3, or ERR_SHAPE.
const uint8_t* pixels_from_js(const Napi::Value& value, int width, int height) {
  const auto pixels = value.As<Napi::Uint8Array>();
  if (width <= 0 || height <= 0 || pixels.ByteLength() != static_cast<size_t>(width) * static_cast<size_t>(height) * 3) {
    throw SiamException("ERR_SHAPE", "Expected width × height × 3 bytes of pixels for " + std::to_string(width) + "x" + std::to_string(height) + " but received " +
                                         std::to_string(pixels.ByteLength()));
  }
  return pixels.Data();
}

Napi::Value init_jpeg(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  try {
    data::tj::Load(info[0].As<Napi::String>().Utf8Value());
    return env.Undefined();
  } catch (const SiamException& error) {
    // Not thrown: everything but JPEG works without the library, and whoever decodes gets this very message.
    return Napi::String::New(env, error.what());
  }
}

Napi::Value jpeg_library(const Napi::CallbackInfo& info) {
  auto object = Napi::Object::New(info.Env());
  object.Set("path", data::tj::LoadedPath());
  object.Set("apiLevel", data::tj::ApiLevel());
  object.Set("pixelKernels", data::PixelKernels());
  return object;
}

Napi::Value use_pixel_kernels(const Napi::CallbackInfo& info) {
  return guarded(info, "usePixelKernels", [&]() -> Napi::Value {
    const std::string name = info[0].As<Napi::String>().Utf8Value();
    if (!data::UsePixelKernels(name.c_str())) throw SiamException("ERR_ARGUMENT", "Expected pixel loops that this CPU runs but received '" + name + "'");
    auto names = Napi::Array::New(info.Env());
    for (const auto* table : data::AllPixelKernels()) names.Set(names.Length(), Napi::String::New(info.Env(), table->name));
    return names;
  });
}

Napi::Value decode_jpeg(const Napi::CallbackInfo& info) {
  return guarded(info, "decodeJpeg", [&]() -> Napi::Value {
    Napi::Env env = info.Env();
    const auto jpeg = info[0].As<Napi::Uint8Array>();
    thread_local data::JpegDecoder decoder;  // its tables are worth keeping
    const data::JpegInfo header = decoder.Header(jpeg.Data(), jpeg.ByteLength(), "");
    std::vector<uint8_t> pixels;
    data::FrameView view;
    std::string engine = "best";
    bool with_mean = false;
    data::Bgr mean;
    if (info.Length() > 2 && info[2].IsObject()) {
      const auto options = info[2].As<Napi::Object>();
      if (options.Get("decoder").IsString()) engine = text(options, "decoder");
      with_mean = options.Get("mean").ToBoolean().Value();
    }
    decoder.UseOwn(engine != "libjpeg");
    data::Rect wanted{0, 0, header.width, header.height};
    const bool has_region = info.Length() > 1 && info[1].IsObject();
    if (has_region) {
      const auto region = info[1].As<Napi::Object>();
      wanted = {number<int>(region, "x"), number<int>(region, "y"), number<int>(region, "width"), number<int>(region, "height")};
      if (wanted.Empty() || !data::Rect{0, 0, header.width, header.height}.Contains(wanted)) {
        throw SiamException("ERR_ARGUMENT", "Expected a region inside of the frame of " + std::to_string(header.width) + "x" + std::to_string(header.height));
      }
    }
    if (with_mean) {
      view = decoder.DecodeRegionAndMean(header, wanted, jpeg.Data(), jpeg.ByteLength(), "", pixels, mean);
    } else if (has_region) {
      view = decoder.DecodeRegion(header, wanted, jpeg.Data(), jpeg.ByteLength(), "", pixels);
    } else {
      view = decoder.Decode(header, jpeg.Data(), jpeg.ByteLength(), "", pixels);
    }
    if (engine == "own" && !decoder.own_done()) return env.Null();
    Napi::Object object = view_to_js(env, view);
    if (with_mean) {
      auto levels = Napi::Array::New(env, 3);
      levels.Set(0u, Napi::Number::New(env, mean.b));
      levels.Set(1u, Napi::Number::New(env, mean.g));
      levels.Set(2u, Napi::Number::New(env, mean.r));
      object.Set("mean", levels);
    }
    return object;
  });
}

Napi::Value decode_reduced(const Napi::CallbackInfo& info) {
  return guarded(info, "decodeReduced", [&]() -> Napi::Value {
    Napi::Env env = info.Env();
    const auto bytes = info[0].As<Napi::Uint8Array>();
    const auto region = info[1].As<Napi::Object>();
    const int reduction = info[2].As<Napi::Number>().Int32Value();
    if (reduction < 2 || data::ReductionFor(reduction) != reduction) {
      throw SiamException("ERR_ARGUMENT", "Expected 2, 4 or 8 for reduction but received " + std::to_string(reduction));
    }
    data::FrameDecoder decoder;
    const data::FrameInfo header = decoder.Header(bytes.Data(), bytes.ByteLength(), "");
    std::vector<uint8_t> pixels;
    const data::FrameView view = decoder.DecodeRegionScaled(
        header, {number<int>(region, "x"), number<int>(region, "y"), number<int>(region, "width"), number<int>(region, "height")}, reduction, bytes.Data(),
        bytes.ByteLength(), "", pixels);
    Napi::Object object = view_to_js(env, view);
    object.Set("grid", grid_to_js(env, view.grid));
    return object;
  });
}

Napi::Value encode_jpeg(const Napi::CallbackInfo& info) {
  return guarded(info, "encodeJpeg", [&]() -> Napi::Value {
    const int width = info[1].As<Napi::Number>().Int32Value(), height = info[2].As<Napi::Number>().Int32Value();
    const auto options = info[3].As<Napi::Object>();
    const std::string subsampling = text(options, "subsampling");
    const int chroma = subsampling == "444"    ? data::tj::kSubsampling444
                       : subsampling == "422"  ? data::tj::kSubsampling422
                       : subsampling == "440"  ? data::tj::kSubsampling440
                       : subsampling == "gray" ? data::tj::kSubsamplingGray
                                               : data::tj::kSubsampling420;
    const bool progressive = options.Get("progressive").ToBoolean().Value();
    const auto option = [&](const char* name) { return options.Has(name) && options.Get(name).IsNumber() ? number<int>(options, name) : 0; };
    const auto jpeg = data::EncodeJpeg(pixels_from_js(info[0], width, height), width, height,
                                       text(options, "format") == "rgb" ? data::tj::kPixelRgb : data::tj::kPixelBgr, number<int>(options, "quality"), chroma,
                                       {progressive, options.Get("optimize").ToBoolean().Value(), option("restartRows"), option("restartBlocks")});
    return bytes_to_js(info.Env(), jpeg.data(), jpeg.size());
  });
}

Napi::Value jpeg_info(const Napi::CallbackInfo& info) {
  return guarded(info, "jpegInfo", [&]() -> Napi::Value {
    const auto jpeg = info[0].As<Napi::Uint8Array>();
    data::JpegDecoder decoder;
    const data::JpegInfo header = decoder.Header(jpeg.Data(), jpeg.ByteLength(), "");
    auto object = Napi::Object::New(info.Env());
    object.Set("width", Napi::Number::New(info.Env(), header.width));
    object.Set("height", Napi::Number::New(info.Env(), header.height));
    return object;
  });
}

/// Reads a PicturePlace into `view`.
void place_view(const Napi::Object& place, data::FrameView& view) {
  const auto frame = place.Get("frame").As<Napi::Object>();
  view.frame_width = number<int>(frame, "width");
  view.frame_height = number<int>(frame, "height");
  view.grid = grid_from_js(place.Get("grid"));
  if (place.Get("at").IsObject()) {
    const auto at = place.Get("at").As<Napi::Object>();
    view.region.x = number<int>(at, "x");
    view.region.y = number<int>(at, "y");
  }
}

Napi::Value crop_subwindow(const Napi::CallbackInfo& info) {
  return guarded(info, "cropSubwindow", [&]() -> Napi::Value {
    const auto at = [&](size_t i) { return info[i].As<Napi::Number>(); };
    const int width = at(1).Int32Value(), height = at(2).Int32Value(), out_size = at(6).Int32Value();
    const data::CropSquare crop{at(3).DoubleValue(), at(4).DoubleValue(), at(5).DoubleValue(), out_size};
    if (out_size < 2) throw SiamException("ERR_ARGUMENT", "Expected an output size of at least 2 but received " + std::to_string(out_size));
    data::FrameView frame{pixels_from_js(info[0], width, height), static_cast<size_t>(width) * 3, {0, 0, width, height}, width, height, {}};
    if (info.Length() > 9 && info[9].IsObject()) place_view(info[9].As<Napi::Object>(), frame);
    data::Bgr border;
    if (info[7].IsArray()) {
      const auto given = info[7].As<Napi::Array>();
      const auto channel = [&](uint32_t c) { return static_cast<uint8_t>(given.Get(c).As<Napi::Number>().Uint32Value()); };
      border = {channel(0), channel(1), channel(2)};
    } else if (frame.Whole()) {
      border = data::TruncatedMean(frame);
    } else {
      throw SiamException("ERR_ARGUMENT", "Expected a padding: the mean of a frame is not that of its picture");
    }
    const bool planar = info.Length() > 8 && info[8].IsString() && info[8].As<Napi::String>().Utf8Value() == "chw";
    data::WarpScratch scratch;
    auto out = Napi::Uint8Array::New(info.Env(), static_cast<size_t>(out_size) * static_cast<size_t>(out_size) * 3);
    data::WarpCrop(frame, crop, border, planar ? data::PixelLayout::kPlanar : data::PixelLayout::kInterleaved, scratch, out.Data());
    return out;
  });
}

Napi::Value crop_footprint(const Napi::CallbackInfo& info) {
  return guarded(info, "cropFootprint", [&]() -> Napi::Value {
    const auto at = [&](size_t i) { return info[i].As<Napi::Number>(); };
    data::Rect rect = data::Footprint({at(0).DoubleValue(), at(1).DoubleValue(), at(2).DoubleValue(), at(3).Int32Value()});
    if (info.Length() > 4 && info[4].IsObject()) rect = data::ToPicture(grid_from_js(info[4]), rect);
    auto object = Napi::Object::New(info.Env());
    const auto set = [&](const char* key, int value) { object.Set(key, Napi::Number::New(info.Env(), value)); };
    set("x", rect.x);
    set("y", rect.y);
    set("width", rect.width);
    set("height", rect.height);
    return object;
  });
}

Napi::Value crop_geometry(const Napi::CallbackInfo& info) {
  return guarded(info, "cropGeometry", [&]() -> Napi::Value {
    Napi::Env env = info.Env();
    const auto uniforms = info[3].As<Napi::Float64Array>();
    size_t used = 0;
    const auto geometry = data::CropTrackPair(box_from_js(info[0]), box_from_js(info[1]), crop_from_js(info[2]), [&]() -> double {
      if (used >= uniforms.ElementLength()) throw SiamException("ERR_ARGUMENT", "cropGeometry: more than the " + std::to_string(used) + " uniforms given are needed");
      return uniforms[used++];
    });
    const auto square = [&](const data::CropSquare& crop) {
      auto array = Napi::Float64Array::New(env, 3);
      array[0] = crop.cx;
      array[1] = crop.cy;
      array[2] = crop.size;
      return array;
    };
    auto object = Napi::Object::New(env);
    object.Set("cropZ", square(geometry.z));
    object.Set("cropX", square(geometry.x));
    object.Set("bboxZ", floats_to_js(env, geometry.bbox_z.data(), 4));
    object.Set("bboxX", floats_to_js(env, geometry.bbox_x.data(), 4));
    object.Set("draws", Napi::Number::New(env, geometry.draws));
    return object;
  });
}

Napi::Value tracking_crop(const Napi::CallbackInfo& info) {
  const auto at = [&](size_t i) { return info[i].As<Napi::Number>(); };
  const auto crop = data::TrackingCropSize(at(0).DoubleValue(), at(1).DoubleValue(), at(2).DoubleValue(), at(3).Int32Value(), at(4).Int32Value(),
                                           info[5].ToBoolean().Value());
  auto object = Napi::Object::New(info.Env());
  object.Set("scale", Napi::Number::New(info.Env(), crop.scale));
  object.Set("sizePx", Napi::Number::New(info.Env(), static_cast<double>(crop.size)));
  return object;
}

Napi::Value densebox_target(const Napi::CallbackInfo& info) {
  return guarded(info, "denseboxTarget", [&]() -> Napi::Value {
    Napi::Env env = info.Env();
    const data::TargetConfig config = target_from_js(info[1]);
    if (config.score_size < 1) throw SiamException("ERR_ARGUMENT", "Expected a score size of at least 1 but received " + std::to_string(config.score_size));
    const auto points = static_cast<size_t>(config.Points());
    std::vector<float> cls(points), ctr(points), box(points * 4);
    data::DenseboxTarget(box_from_js(info[0]), config, info[2].ToBoolean().Value(), cls.data(), ctr.data(), box.data());
    auto object = Napi::Object::New(env);
    object.Set("cls", floats_to_js(env, cls.data(), cls.size()));
    object.Set("ctr", floats_to_js(env, ctr.data(), ctr.size()));
    object.Set("box", floats_to_js(env, box.data(), box.size()));
    return object;
  });
}

Napi::Array two(Napi::Env env, double a, double b) {
  auto array = Napi::Array::New(env, 2);
  array.Set(0u, Napi::Number::New(env, a));
  array.Set(1u, Napi::Number::New(env, b));
  return array;
}

Napi::Value sample_pairs(const Napi::CallbackInfo& info) {
  return guarded(info, "samplePairs", [&]() -> Napi::Value {
    Napi::Env env = info.Env();
    const auto spec = info[0].As<Napi::Object>();
    const auto at = [&](size_t i) { return info[i].As<Napi::Number>().Uint32Value(); };
    const auto sampler = std::make_shared<data::PairSampler>(datasets_from_js(spec.Get("datasets")), sampler_from_js(spec));
    data::SampleMaker maker(sampler, std::make_shared<data::FileStore>(sampler), sample_from_js(spec));
    const uint32_t count = at(4);
    auto pairs = Napi::Array::New(env, count);
    for (uint32_t i = 0; i < count; i++) {
      const data::PairRef pair = maker.Pair(at(1), at(2) + i, at(3));
      auto object = Napi::Object::New(env);
      object.Set("dataset", two(env, pair.z.dataset, pair.x.dataset));
      object.Set("sequence", two(env, pair.z.sequence, pair.x.sequence));
      object.Set("frame", two(env, pair.z.frame, pair.x.frame));
      object.Set("negative", Napi::Boolean::New(env, pair.negative));
      pairs.Set(i, object);
    }
    return pairs;
  });
}

Napi::Value philox(const Napi::CallbackInfo& info) {
  const auto words = info[0].As<Napi::Uint32Array>();
  const auto block = data::Philox4x32({words[0], words[1], words[2], words[3]}, {words[4], words[5]});
  auto out = Napi::Uint32Array::New(info.Env(), 4);
  for (size_t i = 0; i < 4; i++) out[i] = block[i];
  return out;
}

}  // namespace

void register_data(Napi::Env env, Napi::Object exports, AddonEnv& addon) {
  LoaderHandle::define(env, addon);
  IndexFileHandle::define(env, addon);
  PackHandle::define(env, addon);
  FrameCacheHandle::define(env, addon);
  PackJobHandle::define(env, addon);
  const auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) { exports.Set(name, Napi::Function::New(env, function, name)); };
  add("initJpeg", init_jpeg);
  add("jpegLibrary", jpeg_library);
  add("usePixelKernels", use_pixel_kernels);
  add("decodeJpeg", decode_jpeg);
  add("decodeReduced", decode_reduced);
  add("encodeJpeg", encode_jpeg);
  add("jpegInfo", jpeg_info);
  add("cropSubwindow", crop_subwindow);
  add("cropFootprint", crop_footprint);
  add("cropGeometry", crop_geometry);
  add("trackingCrop", tracking_crop);
  add("denseboxTarget", densebox_target);
  add("samplePairs", sample_pairs);
  add("philox", philox);
  add("createLoader", LoaderHandle::create);
  add("measureDecodeLimit", measure_decode_limit);
  add("createFrameCache", FrameCacheHandle::create);
  add("openIndexFile", IndexFileHandle::open);
  add("openPack", PackHandle::open);
  add("createPackWriter", PackJobHandle::create_writer);
  add("createPackEstimate", PackJobHandle::create_estimate);
  add("createPackVerifier", PackJobHandle::create_verifier);
  add("lockFile", lock_file);
  add("packPlan", pack_plan);
  add("tarHeader", tar_header);
  add("fileStates", file_states);
  register_data_frames(env, exports);
}

}  // namespace siam::binding
