// NativeIndexFile of lib/native/addon.ts, and what else lib/data/index-cache.ts needs of the file system.
#pragma once

#include "../data/index_file.h"
#include "handle.h"

namespace siam::binding {

class IndexFileHandle : public Handle<IndexFileHandle, const data::IndexFile> {
 public:
  static constexpr const char* kName = "IndexFile";
  static const napi_type_tag kTag;
  using Handle::Handle;
  static void define(Napi::Env env, AddonEnv& addon);
  /// openIndexFile(path) → promise of a handle; reads and checks on libuv's pool.
  static Napi::Value open(const Napi::CallbackInfo& info);

 private:
  Napi::Value sequences(const Napi::CallbackInfo& info);
  Napi::Value frames(const Napi::CallbackInfo& info);
  Napi::Value bytes(const Napi::CallbackInfo& info);
  Napi::Value meta(const Napi::CallbackInfo& info);
  Napi::Value still(const Napi::CallbackInfo& info);
  Napi::Value empty_stills(const Napi::CallbackInfo& info);
  Napi::Value sections(const Napi::CallbackInfo& info);
  Napi::Value first_change(const Napi::CallbackInfo& info);
  Napi::Value load_means(const Napi::CallbackInfo& info);
  Napi::Value save_means(const Napi::CallbackInfo& info);
  Napi::Value compute_means(const Napi::CallbackInfo& info);
  Napi::Value unsaved_means(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);
};

/// fileStates(offsets, bytes) → promise of the states of the paths, 32 bytes each.
Napi::Value file_states(const Napi::CallbackInfo& info);

/// IndexSections of lib/native/addon.ts, copied to memory of their own.
data::IndexSections sections_from_js(const Napi::Object& sections);

}  // namespace siam::binding
