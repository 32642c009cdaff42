#include "data_index.h"

#include <cstring>
#include <utility>
#include <vector>

#include "../base/error.h"
#include "../data/mean_job.h"
#include "convert.h"
#include "pool_work.h"

namespace siam::binding {

const napi_type_tag IndexFileHandle::kTag = {0x6ac14be0a3f24d17, 0x9d5be2307c58f1a4};

namespace {

template <class Array, class T>
Array copy_to_js(Napi::Env env, const data::Span<T>& span, size_t elements) {
  auto array = Array::New(env, elements);
  if (span.size > 0) std::memcpy(array.Data(), span.data, span.size * sizeof(T));
  return array;
}

/// Sections that were copied out of JavaScript's memory.
struct Copies {
  std::vector<std::vector<uint64_t>> blocks;

  template <class T>
  data::Span<T> Copy(const Napi::Object& from, const char* key) {
    const auto array = from.Get(key).As<Napi::TypedArray>();
    const size_t bytes = array.ByteLength();
    if (bytes % sizeof(T) != 0) throw SiamException("ERR_DATA", std::string("the index's ") + key + " ends in the middle of an item");
    blocks.emplace_back((bytes + 7) / 8);
    if (bytes > 0) std::memcpy(blocks.back().data(), static_cast<const char*>(array.ArrayBuffer().Data()) + array.ByteOffset(), bytes);
    return {reinterpret_cast<const T*>(blocks.back().data()), bytes / sizeof(T)};
  }
};

Napi::Object state_to_js(Napi::Env env, const data::FileState& state) {
  static const char* const kinds[] = {"missing", "file", "folder", "other", "unreadable", "entries"};
  auto object = Napi::Object::New(env);
  object.Set("kind", kinds[std::min<uint32_t>(state.kind, 5)]);
  object.Set("bytes", Napi::Number::New(env, static_cast<double>(state.bytes)));
  object.Set("modifiedMs", Napi::Number::New(env, static_cast<double>(state.modified_ns) * 1e-6));
  return object;
}

}  // namespace

void IndexFileHandle::define(Napi::Env env, AddonEnv& addon) {
  addon.index_file_class = Napi::Persistent(DefineClass(
      env, kName,
      {InstanceAccessor<&IndexFileHandle::sequences>("sequences"), InstanceAccessor<&IndexFileHandle::frames>("frames"),
       InstanceAccessor<&IndexFileHandle::bytes>("bytes"), InstanceAccessor<&IndexFileHandle::meta>("meta"),
       InstanceAccessor<&IndexFileHandle::still>("still"), InstanceAccessor<&IndexFileHandle::empty_stills>("emptyStills"),
       InstanceMethod<&IndexFileHandle::sections>("sections"), InstanceMethod<&IndexFileHandle::first_change>("firstChange"),
       InstanceMethod<&IndexFileHandle::load_means>("loadMeans"), InstanceMethod<&IndexFileHandle::save_means>("saveMeans"),
       InstanceMethod<&IndexFileHandle::compute_means>("computeMeans"), InstanceAccessor<&IndexFileHandle::unsaved_means>("unsavedMeans"),
       InstanceMethod<&IndexFileHandle::dispose>("dispose")}));
}

Napi::Value IndexFileHandle::open(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  using File = std::shared_ptr<const data::IndexFile>;
  return PoolWork<File>::Run(
      info.Env(), "openIndexFile", [path] { return data::IndexFile::Open(path); },
      [](Napi::Env env, File& file) -> Napi::Value { return wrap(env, AddonEnv::of(env).index_file_class, std::move(file)); });
}

Napi::Value IndexFileHandle::sequences(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(get("sequences")->sequences()));
}
Napi::Value IndexFileHandle::frames(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), static_cast<double>(get("frames")->frames())); }
Napi::Value IndexFileHandle::bytes(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), static_cast<double>(get("bytes")->bytes())); }
Napi::Value IndexFileHandle::meta(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), std::string(get("meta")->meta())); }
Napi::Value IndexFileHandle::still(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), get("still")->stills().still); }
Napi::Value IndexFileHandle::empty_stills(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), get("emptyStills")->stills().empty); }

Napi::Value IndexFileHandle::dispose(const Napi::CallbackInfo& info) { return js_dispose(info); }

Napi::Value IndexFileHandle::sections(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const data::IndexSections parts = data::IndexFile::Sections(get("sections"));
  auto object = Napi::Object::New(env);
  object.Set("boxes", copy_to_js<Napi::Float32Array>(env, parts.boxes, parts.boxes.size * 4));
  object.Set("start", copy_to_js<Napi::Uint32Array>(env, parts.start, parts.start.size));
  object.Set("rows", copy_to_js<Napi::Uint32Array>(env, parts.rows, parts.rows.size * 8));
  object.Set("numbers", copy_to_js<Napi::Int32Array>(env, parts.numbers, parts.numbers.size));
  object.Set("nameOffsets", copy_to_js<Napi::Uint32Array>(env, parts.names.offsets, parts.names.offsets.size));
  object.Set("nameBytes", copy_to_js<Napi::Uint8Array>(env, parts.names.bytes, parts.names.bytes.size));
  object.Set("textOffsets", copy_to_js<Napi::Uint32Array>(env, parts.texts.offsets, parts.texts.offsets.size));
  object.Set("textBytes", copy_to_js<Napi::Uint8Array>(env, parts.texts.bytes, parts.texts.bytes.size));
  return object;
}

Napi::Value IndexFileHandle::unsaved_means(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(get("unsavedMeans")->means()->unsaved()));
}

Napi::Value IndexFileHandle::load_means(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  return PoolWork<uint64_t>::Run(
      info.Env(), "loadMeans", [path, file = get("loadMeans")] { return data::LoadMeans(path, file->mean_identity(), *file->means()); },
      [](Napi::Env env, uint64_t& known) -> Napi::Value { return Napi::Number::New(env, static_cast<double>(known)); });
}

Napi::Value IndexFileHandle::save_means(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>().Utf8Value(), lock = info[1].As<Napi::String>().Utf8Value();
  return PoolWork<data::SavedMeans>::Run(
      info.Env(), "saveMeans", [path, lock, file = get("saveMeans")] { return data::SaveMeans(path, lock, file->mean_identity(), *file->means()); },
      [](Napi::Env env, data::SavedMeans& saved) -> Napi::Value {
        auto object = Napi::Object::New(env);
        object.Set("known", Napi::Number::New(env, static_cast<double>(saved.known)));
        object.Set("added", Napi::Number::New(env, static_cast<double>(saved.added)));
        return object;
      });
}

Napi::Value IndexFileHandle::compute_means(const Napi::CallbackInfo& info) {
  const auto at = [&](size_t i) { return info[i].As<Napi::Number>().DoubleValue(); };
  const auto first = static_cast<uint64_t>(at(0)), count = static_cast<uint64_t>(at(1));
  const int threads = static_cast<int>(at(2));
  return PoolWork<data::MeanJobResult>::Run(
      info.Env(), "computeMeans",
      [first, count, threads, file = get("computeMeans")] {
        const data::DatasetIndex index("", 1, 0, data::IndexFile::Sections(file), file->stills(), nullptr, file->means());
        return data::ComputeMeans(index, first, count, threads);
      },
      [](Napi::Env env, data::MeanJobResult& result) -> Napi::Value {
        auto object = Napi::Object::New(env);
        object.Set("computed", Napi::Number::New(env, static_cast<double>(result.computed)));
        object.Set("failed", Napi::Number::New(env, static_cast<double>(result.failed)));
        if (result.failed > 0) {
          object.Set("firstFile", result.first_file);
          object.Set("firstReason", result.first_reason);
        }
        return object;
      });
}

Napi::Value IndexFileHandle::first_change(const Napi::CallbackInfo& info) {
  using Change = std::optional<data::IndexFile::Change>;
  return PoolWork<Change>::Run(
      info.Env(), "firstChange", [file = get("firstChange")] { return file->FirstChange(); },
      [](Napi::Env env, Change& change) -> Napi::Value {
        if (!change) return env.Null();
        auto object = Napi::Object::New(env);
        object.Set("path", change->path);
        object.Set("before", state_to_js(env, change->before));
        object.Set("now", state_to_js(env, change->now));
        return object;
      });
}

data::IndexSections sections_from_js(const Napi::Object& sections) {
  auto copies = std::make_shared<Copies>();
  data::IndexSections parts;
  parts.boxes = copies->Copy<data::Xyxy>(sections, "boxes");
  parts.start = copies->Copy<uint32_t>(sections, "start");
  parts.rows = copies->Copy<data::SequenceRow>(sections, "rows");
  parts.numbers = copies->Copy<int32_t>(sections, "numbers");
  parts.names = {copies->Copy<uint32_t>(sections, "nameOffsets"), copies->Copy<char>(sections, "nameBytes")};
  parts.texts = {copies->Copy<uint32_t>(sections, "textOffsets"), copies->Copy<char>(sections, "textBytes")};
  parts.owner = std::move(copies);
  return parts;
}

Napi::Value file_states(const Napi::CallbackInfo& info) {
  auto sections = Napi::Object::New(info.Env());
  sections.Set("offsets", info[0]);
  sections.Set("bytes", info[1]);
  auto copies = std::make_shared<Copies>();
  const data::TextTable paths{copies->Copy<uint32_t>(sections, "offsets"), copies->Copy<char>(sections, "bytes")};
  using States = std::vector<data::FileState>;
  return PoolWork<States>::Run(
      info.Env(), "fileStates",
      [paths, copies] {
        if (!paths.Fits()) throw SiamException("ERR_INTERNAL", "fileStates: the paths do not lie inside of their table");
        return data::StatesOf(paths);
      },
      [](Napi::Env env, States& states) -> Napi::Value {
        auto array = Napi::Uint8Array::New(env, states.size() * sizeof(data::FileState));
        if (!states.empty()) std::memcpy(array.Data(), states.data(), states.size() * sizeof(data::FileState));
        return array;
      });
}

}  // namespace siam::binding
