// NativePackJob of lib/native/addon.ts: writing, estimating and verifying packs.
#pragma once

#include "../data/pack/pack_job.h"
#include "handle.h"

namespace siam::binding {

/// One of the three kinds of work, and what it gives.
struct PackWork {
  data::PackJob* job = nullptr;
  std::function<void(data::PackJob::Done)> start;
  /// Thread: JavaScript, when the job is done.
  std::function<Napi::Value(Napi::Env)> result;
  std::shared_ptr<void> owner;  ///< of the job
};

class PackJobHandle : public Handle<PackJobHandle, PackWork> {
 public:
  static constexpr const char* kName = "PackJob";
  static const napi_type_tag kTag;
  using Handle::Handle;
  ~PackJobHandle() override;
  static void define(Napi::Env env, AddonEnv& addon);
  static Napi::Value create_writer(const Napi::CallbackInfo& info);
  static Napi::Value create_estimate(const Napi::CallbackInfo& info);
  static Napi::Value create_verifier(const Napi::CallbackInfo& info);

 private:
  static Napi::Value create(Napi::Env env, std::shared_ptr<PackWork> work);
  Napi::Value run(const Napi::CallbackInfo& info);
  Napi::Value progress(const Napi::CallbackInfo& info);
  Napi::Value stop(const Napi::CallbackInfo& info);
};

/// Primitives for tests: which part of a frame is stored, and what stands in front of a member of a tar.
Napi::Value pack_plan(const Napi::CallbackInfo& info);
Napi::Value tar_header(const Napi::CallbackInfo& info);

/// lockFile(descriptor) → whether this process has the file's lock now; it goes when the descriptor is closed, whatever ends the process.
Napi::Value lock_file(const Napi::CallbackInfo& info);

}  // namespace siam::binding
