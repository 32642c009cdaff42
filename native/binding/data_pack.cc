#include "data_pack.h"

#include <utility>
#include <vector>

#include "convert.h"
#include "guarded.h"
#include "pool_work.h"

namespace siam::binding {

const napi_type_tag PackHandle::kTag = {0x41d7c06e9ab84f23, 0x8e1f5ad2034bc796};

void PackHandle::define(Napi::Env env, AddonEnv& addon) {
  addon.pack_class = Napi::Persistent(DefineClass(
      env, kName,
      {InstanceAccessor<&PackHandle::rows>("rows"), InstanceAccessor<&PackHandle::stored>("stored"), InstanceAccessor<&PackHandle::rows_crc>("rowsCrc"),
       InstanceMethod<&PackHandle::dispose>("dispose")}));
}

Napi::Value PackHandle::open(const Napi::CallbackInfo& info) {
  return guarded(info, "openPack", [&]() -> Napi::Value {
    const std::string table = info[0].As<Napi::String>().Utf8Value();
    const auto listed = info[1].As<Napi::Array>();
    std::vector<data::PackShard> shards;
    for (uint32_t i = 0; i < listed.Length(); i++) {
      const Napi::HandleScope scope(info.Env());
      const auto shard = listed.Get(i).As<Napi::Object>();
      shards.push_back({text(shard, "path"), number<uint64_t>(shard, "bytes")});
    }
    using Pack = std::shared_ptr<const data::PackFile>;
    return PoolWork<Pack>::Run(
        info.Env(), "openPack", [table, shards = std::move(shards)] { return data::PackFile::Open(table, shards); },
        [](Napi::Env env, Pack& pack) -> Napi::Value { return wrap(env, AddonEnv::of(env).pack_class, std::move(pack)); });
  });
}

Napi::Value PackHandle::rows(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), static_cast<double>(get("rows")->rows())); }
Napi::Value PackHandle::stored(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), static_cast<double>(get("stored")->stored())); }
Napi::Value PackHandle::rows_crc(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), get("rowsCrc")->rows_crc()); }

Napi::Value PackHandle::dispose(const Napi::CallbackInfo& info) { return js_dispose(info); }

}  // namespace siam::binding
