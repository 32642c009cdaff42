// NativePack of lib/native/addon.ts.
#pragma once

#include "../data/pack/pack_file.h"
#include "handle.h"

namespace siam::binding {

class PackHandle : public Handle<PackHandle, const data::PackFile> {
 public:
  static constexpr const char* kName = "Pack";
  static const napi_type_tag kTag;
  using Handle::Handle;
  static void define(Napi::Env env, AddonEnv& addon);
  /// openPack(table, shards) → promise of a handle; reads and checks on libuv's pool.
  static Napi::Value open(const Napi::CallbackInfo& info);

 private:
  Napi::Value rows(const Napi::CallbackInfo& info);
  Napi::Value stored(const Napi::CallbackInfo& info);
  Napi::Value rows_crc(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);
};

}  // namespace siam::binding
