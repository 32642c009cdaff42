// NativeModel of lib/native/addon.ts.
#pragma once

#include "../core/siam_track.h"
#include "handle.h"

namespace siam::core {
class ModelBuffers;
}

namespace siam::binding {

/// A model and what JavaScript may ask about it without visiting the engine thread.
struct ModelHolder {
  core::SiamTrack model{nullptr};
  std::shared_ptr<core::ModelBuffers> buffers;
  struct Info {
    std::string name;
    std::vector<int64_t> shape;
    at::ScalarType dtype;
    bool is_parameter;
    bool requires_grad;
    std::string alias_of;
  };
  std::vector<Info> infos;  // JavaScript thread only after creation
};

class ModelHandle : public Handle<ModelHandle, ModelHolder> {
 public:
  static constexpr const char* kName = "Model";
  static const napi_type_tag kTag;
  using Handle::Handle;
  static void define(Napi::Env env, AddonEnv& addon);

 private:
  Napi::Value describe(const Napi::CallbackInfo& info);
  Napi::Value forward(const Napi::CallbackInfo& info);
  Napi::Value state_dict(const Napi::CallbackInfo& info);
  Napi::Value load_state_dict(const Napi::CallbackInfo& info);
  Napi::Value gradients(const Napi::CallbackInfo& info);
  Napi::Value copy_seconds(const Napi::CallbackInfo& info);
  Napi::Value set_training(const Napi::CallbackInfo& info);
  Napi::Value set_requires_grad(const Napi::CallbackInfo& info);
};

}  // namespace siam::binding
