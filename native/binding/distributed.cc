#include "distributed.h"

#include "../distributed/group_statistics.h"
#include "convert.h"
#include "guarded.h"
#include "model.h"
#include "registration.h"
#include "tensor.h"

namespace siam::binding {

const napi_type_tag ProcessGroupHandle::kTag = {0x2be1f5c07a934d86, 0xa9c4307de85f12b6};
const napi_type_tag GradientReducerHandle::kTag = {0x7c90ab13e4d25f68, 0x8d1637fa02ce594b};

namespace {

using GroupPtr = std::shared_ptr<distributed::ProcessGroup>;

/// Numbers in, as many numbers out.
template <class Exchange>
Napi::Value exchange_numbers(const Napi::CallbackInfo& info, const char* operation, Exchange exchange) {
  using Values = std::vector<double>;
  const auto array = info[0].As<Napi::Float64Array>();
  auto values = std::make_shared<Values>(array.Data(), array.Data() + array.ElementLength());
  return AddonEnv::of(info.Env()).run<Values>(
      info.Env(), operation,
      [values, exchange] {
        exchange(*values);
        return std::move(*values);
      },
      [](Napi::Env env, Values& result) -> Napi::Value {
        auto out = Napi::Float64Array::New(env, result.size());
        std::copy(result.begin(), result.end(), out.Data());
        return out;
      });
}

std::chrono::milliseconds milliseconds_of(const Napi::Value& value) { return std::chrono::milliseconds(value.As<Napi::Number>().Int64Value()); }

}  // namespace

// --- process group ------------------------------------------------------------------------------------------------------------------------

void ProcessGroupHandle::define(Napi::Env env, AddonEnv& addon) {
  addon.process_group_class = Napi::Persistent(DefineClass(
      env, kName,
      {InstanceMethod<&ProcessGroupHandle::broadcast_model>("broadcastModel"), InstanceMethod<&ProcessGroupHandle::broadcast_bytes>("broadcastBytes"),
       InstanceMethod<&ProcessGroupHandle::average>("average"), InstanceMethod<&ProcessGroupHandle::maximum>("maximum"), InstanceMethod<&ProcessGroupHandle::barrier>("barrier"),
       InstanceMethod<&ProcessGroupHandle::sync_statistics>("syncStatistics"), InstanceMethod<&ProcessGroupHandle::leave_failed>("leaveFailed"),
       InstanceMethod<&ProcessGroupHandle::gather_at>("gatherAt"),
       InstanceMethod<&ProcessGroupHandle::failure>("failure"), InstanceMethod<&ProcessGroupHandle::leave>("leave"), InstanceAccessor("disposed", &ProcessGroupHandle::js_disposed, nullptr),
       InstanceMethod("dispose", &ProcessGroupHandle::js_dispose)}));
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

Napi::Value ProcessGroupHandle::broadcast_bytes(const Napi::CallbackInfo& info) {
  using Bytes = std::vector<uint8_t>;
  const auto group = get("broadcastBytes");
  const auto array = info[0].As<Napi::Uint8Array>();
  auto bytes = std::make_shared<Bytes>(array.Data(), array.Data() + array.ElementLength());
  return AddonEnv::of(info.Env()).run<Bytes>(
      info.Env(), "broadcastBytes",
      [group, bytes] {
        group->broadcast_bytes(*bytes);
        return std::move(*bytes);
      },
      [](Napi::Env env, Bytes& result) -> Napi::Value { return bytes_to_js(env, result.data(), result.size()); });
}

Napi::Value ProcessGroupHandle::average(const Napi::CallbackInfo& info) {
  const auto group = get("average");
  return exchange_numbers(info, "average", [group](std::vector<double>& values) { group->average(values); });
}

Napi::Value ProcessGroupHandle::maximum(const Napi::CallbackInfo& info) {
  const auto group = get("maximum");
  return exchange_numbers(info, "maximum", [group](std::vector<double>& values) { group->maximum(values); });
}

Napi::Value ProcessGroupHandle::barrier(const Napi::CallbackInfo& info) {
  const auto group = get("barrier");
  return AddonEnv::of(info.Env()).run_void(info.Env(), "barrier", [group] { group->barrier(); });
}

Napi::Value ProcessGroupHandle::sync_statistics(const Napi::CallbackInfo& info) {
  const auto group = get("syncStatistics");
  const bool on = info[0].ToBoolean();
  AddonEnv::of(info.Env()).post("syncStatistics", [group, on] {
    core::current_statistics_exchange() = on ? core::StatisticsExchangePtr(c10::make_intrusive<distributed::GroupStatistics>(group)) : nullptr;
  });
  return info.Env().Undefined();
}

Napi::Value ProcessGroupHandle::gather_at(const Napi::CallbackInfo& info) {
  const auto group = get("gatherAt");
  const std::string place = info[0].ToString();
  return AddonEnv::of(info.Env()).run_void(info.Env(), "gatherAt", [group, place] { group->gather_at(place); });
}

Napi::Value ProcessGroupHandle::leave_failed(const Napi::CallbackInfo& info) {
  const auto group = get("leaveFailed");
  const std::string reason = info[0].ToString();
  return AddonEnv::of(info.Env()).run_void(info.Env(), "leaveFailed", [group, reason] { group->leave_failed(reason); });
}

Napi::Value ProcessGroupHandle::failure(const Napi::CallbackInfo& info) {
  const auto group = get("failure");
  const auto wait = milliseconds_of(info[0]);
  return AddonEnv::of(info.Env()).run<std::string>(
      info.Env(), "failure", [group, wait] { return group->failure(wait); }, [](Napi::Env env, std::string& text) -> Napi::Value { return Napi::String::New(env, text); });
}

Napi::Value ProcessGroupHandle::leave(const Napi::CallbackInfo& info) {
  const auto group = get("leave");
  const auto wait = milliseconds_of(info[0]);
  return AddonEnv::of(info.Env()).run_void(info.Env(), "leave", [group, wait] { group->leave(wait); });
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
  return AddonEnv::of(info.Env()).run_void(info.Env(), "expect", [reducer, loss] { reducer->expect(loss->tensor); });
}

namespace {

Napi::Value create_process_group(const Napi::CallbackInfo& info) {
  const auto spec = info[0].As<Napi::Object>();
  distributed::GroupOptions options;
  options.backend = text(spec, "backend");
  options.device = text(spec, "device");
  options.address = text(spec, "address");
  options.port = number<int>(spec, "port");
  options.rank = number<int>(spec, "rank");
  options.size = number<int>(spec, "size");
  options.keeps_store = boolean(spec, "keepsStore");
  options.prefix = text(spec, "storePrefix");
  options.start_timeout = std::chrono::milliseconds(number<int64_t>(spec, "startTimeoutMs"));
  options.timeout = std::chrono::milliseconds(number<int64_t>(spec, "timeoutMs"));
  options.host = text(spec, "host");
  options.cancelled = AddonEnv::of(info.Env()).meetings_cancelled;
  return AddonEnv::of(info.Env()).run<GroupPtr>(
      info.Env(), "createProcessGroup", [options] { return std::make_shared<distributed::ProcessGroup>(options); },
      [](Napi::Env env, GroupPtr& group) -> Napi::Value { return ProcessGroupHandle::wrap(env, AddonEnv::of(env).process_group_class, group); });
}

Napi::Value cancel_meetings(const Napi::CallbackInfo& info) {
  *AddonEnv::of(info.Env()).meetings_cancelled = true;
  return info.Env().Undefined();
}

Napi::Value create_gradient_reducer(const Napi::CallbackInfo& info) {
  using ReducerPtr = std::shared_ptr<distributed::GradientReducer>;
  const auto group = ProcessGroupHandle::unwrap(info[0], "group");
  const auto holder = ModelHandle::unwrap(info[1], "model");
  const bool dynamic = info[2].ToBoolean();
  return AddonEnv::of(info.Env()).run<ReducerPtr>(
      info.Env(), "createGradientReducer",
      [group, holder, dynamic] {
        std::vector<at::Tensor> parameters;
        for (const auto& entry : holder->model->state_entries()) {
          if (entry.is_parameter && entry.alias_of.empty() && entry.tensor.requires_grad()) parameters.push_back(entry.tensor);
        }
        return std::make_shared<distributed::GradientReducer>(group, std::move(parameters), dynamic);
      },
      [](Napi::Env env, ReducerPtr& reducer) -> Napi::Value { return GradientReducerHandle::wrap(env, AddonEnv::of(env).gradient_reducer_class, reducer); });
}

}  // namespace

void register_distributed(Napi::Env env, Napi::Object exports, AddonEnv& addon) {
  ProcessGroupHandle::define(env, addon);
  GradientReducerHandle::define(env, addon);
  exports.Set("createProcessGroup", Napi::Function::New(env, create_process_group, "createProcessGroup"));
  exports.Set("cancelMeetings", Napi::Function::New(env, cancel_meetings, "cancelMeetings"));
  exports.Set("createGradientReducer", Napi::Function::New(env, create_gradient_reducer, "createGradientReducer"));
}

}  // namespace siam::binding
