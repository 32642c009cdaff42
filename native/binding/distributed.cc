#include "distributed.h"

#include "convert.h"
#include "model.h"
#include "registration.h"
#include "tensor.h"

namespace siam::binding {

const napi_type_tag ProcessGroupHandle::kTag = {0x2be1f5c07a934d86, 0xa9c4307de85f12b6};
const napi_type_tag GradientReducerHandle::kTag = {0x7c90ab13e4d25f68, 0x8d1637fa02ce594b};

// --- process group ------------------------------------------------------------------------------------------------------------------------

void ProcessGroupHandle::define(Napi::Env env, AddonEnv& addon) {
  addon.process_group_class = Napi::Persistent(
      DefineClass(env, kName,
                  {InstanceMethod<&ProcessGroupHandle::broadcast_model>("broadcastModel"), InstanceMethod<&ProcessGroupHandle::average>("average"),
                   InstanceMethod<&ProcessGroupHandle::maximum>("maximum"), InstanceMethod<&ProcessGroupHandle::barrier>("barrier"),
                   InstanceAccessor("disposed", &ProcessGroupHandle::js_disposed, nullptr), InstanceMethod("dispose", &ProcessGroupHandle::js_dispose)}));
}

Napi::Value ProcessGroupHandle::broadcast_model(const Napi::CallbackInfo& info) {
  const auto group = get("broadcastModel");
  const auto holder = ModelHandle::unwrap(info[0], "model");
  const bool buffers_only = info[1].ToBoolean();
  return AddonEnv::of(info.Env()).run_void(info.Env(), "broadcastModel", [group, holder, buffers_only] {
    std::vector<at::Tensor> tensors;
    for (const auto& entry : holder->model->state_entries()) {
      if (!(buffers_only && entry.is_parameter) && entry.alias_of.empty()) tensors.push_back(entry.tensor);
    }
    group->broadcast(tensors);
  });
}

Napi::Value ProcessGroupHandle::average(const Napi::CallbackInfo& info) {
  using Values = std::vector<double>;
  const auto group = get("average");
  const auto array = info[0].As<Napi::Float64Array>();
  auto values = std::make_shared<Values>(array.Data(), array.Data() + array.ElementLength());
  return AddonEnv::of(info.Env()).run<Values>(
      info.Env(), "average",
      [group, values] {
        group->average({at::from_blob(values->data(), {static_cast<int64_t>(values->size())}, at::kDouble)});
        return *values;
      },
      [](Napi::Env env, Values& result) -> Napi::Value {
        auto out = Napi::Float64Array::New(env, result.size());
        std::copy(result.begin(), result.end(), out.Data());
        return out;
      });
}

Napi::Value ProcessGroupHandle::maximum(const Napi::CallbackInfo& info) {
  using Values = std::vector<double>;
  const auto group = get("maximum");
  const auto array = info[0].As<Napi::Float64Array>();
  auto values = std::make_shared<Values>(array.Data(), array.Data() + array.ElementLength());
  return AddonEnv::of(info.Env()).run<Values>(
      info.Env(), "maximum",
      [group, values] {
        group->maximum(at::from_blob(values->data(), {static_cast<int64_t>(values->size())}, at::kDouble));
        return *values;
      },
      [](Napi::Env env, Values& result) -> Napi::Value {
        auto out = Napi::Float64Array::New(env, result.size());
        std::copy(result.begin(), result.end(), out.Data());
        return out;
      });
}

Napi::Value ProcessGroupHandle::barrier(const Napi::CallbackInfo& info) {
  const auto group = get("barrier");
  return AddonEnv::of(info.Env()).run_void(info.Env(), "barrier", [group] { group->barrier(); });
}

// --- gradients ----------------------------------------------------------------------------------------------------------------------------

void GradientReducerHandle::define(Napi::Env env, AddonEnv& addon) {
  addon.gradient_reducer_class = Napi::Persistent(DefineClass(
      env, kName,
      {InstanceMethod<&GradientReducerHandle::expect>("expect"), InstanceAccessor("disposed", &GradientReducerHandle::js_disposed, nullptr), InstanceMethod("dispose", &GradientReducerHandle::js_dispose)}));
}

Napi::Value GradientReducerHandle::expect(const Napi::CallbackInfo& info) {
  const auto reducer = get("expect");
  const auto loss = TensorHandle::unwrap(info[0], "loss");
  return AddonEnv::of(info.Env()).run_void(info.Env(), "expect", [reducer, loss] { reducer->expect({loss->tensor}); });
}

namespace {

Napi::Value create_process_group(const Napi::CallbackInfo& info) {
  using GroupPtr = std::shared_ptr<distributed::ProcessGroup>;
  const auto spec = info[0].As<Napi::Object>();
  distributed::GroupOptions options;
  options.backend = text(spec, "backend");
  options.address = text(spec, "address");
  options.port = number<int>(spec, "port");
  options.rank = number<int>(spec, "rank");
  options.size = number<int>(spec, "size");
  options.timeout = std::chrono::milliseconds(number<int64_t>(spec, "timeoutMs"));
  options.host = text(spec, "host");
  return AddonEnv::of(info.Env()).run<GroupPtr>(
      info.Env(), "createProcessGroup", [options] { return std::make_shared<distributed::ProcessGroup>(options); },
      [](Napi::Env env, GroupPtr& group) -> Napi::Value { return ProcessGroupHandle::wrap(env, AddonEnv::of(env).process_group_class, group); });
}

Napi::Value create_gradient_reducer(const Napi::CallbackInfo& info) {
  using ReducerPtr = std::shared_ptr<distributed::GradientReducer>;
  const auto group = ProcessGroupHandle::unwrap(info[0], "group");
  const auto holder = ModelHandle::unwrap(info[1], "model");
  return AddonEnv::of(info.Env()).run<ReducerPtr>(
      info.Env(), "createGradientReducer",
      [group, holder] {
        std::vector<at::Tensor> parameters;
        for (const auto& entry : holder->model->state_entries()) {
          if (entry.is_parameter && entry.alias_of.empty() && entry.tensor.requires_grad()) parameters.push_back(entry.tensor);
        }
        return std::make_shared<distributed::GradientReducer>(group, std::move(parameters));
      },
      [](Napi::Env env, ReducerPtr& reducer) -> Napi::Value { return GradientReducerHandle::wrap(env, AddonEnv::of(env).gradient_reducer_class, reducer); });
}

}  // namespace

void register_distributed(Napi::Env env, Napi::Object exports, AddonEnv& addon) {
  ProcessGroupHandle::define(env, addon);
  GradientReducerHandle::define(env, addon);
  exports.Set("createProcessGroup", Napi::Function::New(env, create_process_group, "createProcessGroup"));
  exports.Set("createGradientReducer", Napi::Function::New(env, create_gradient_reducer, "createGradientReducer"));
}

}  // namespace siam::binding
