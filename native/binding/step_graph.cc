// NativeStepGraph of lib/native/addon-graph.ts, and what there is of siamfcpp_cuda.so.
#include "../base/error.h"
#include "../core/cuda/jit.h"
#include "../engine/step_graph.h"

#include "model.h"
#include "registration.h"
#include "tensor.h"
#include "training.h"

namespace siam::binding {
namespace {

using TensorList = std::vector<TensorPtr>;

std::vector<at::Tensor> tensors_of(const TensorList& slots) {
  std::vector<at::Tensor> tensors;
  for (const auto& slot : slots) tensors.push_back(slot->tensor);
  return tensors;
}

TensorList slots_of(const std::vector<at::Tensor>& tensors) {
  TensorList slots;
  for (const auto& tensor : tensors) slots.push_back(make_slot(tensor));
  return slots;
}

Napi::Value list_to_js(Napi::Env env, const TensorList& slots) {
  auto array = Napi::Array::New(env, slots.size());
  for (uint32_t i = 0; i < slots.size(); i++) array.Set(i, TensorHandle::wrap(env, slots[i]));
  return array;
}

class StepGraphHandle : public Handle<StepGraphHandle, engine::StepGraph> {
 public:
  static constexpr const char* kName = "StepGraph";
  static const napi_type_tag kTag;
  using Handle::Handle;

  static void define(Napi::Env env, AddonEnv& addon) {
    addon.step_graph_class = Napi::Persistent(
        DefineClass(env, kName,
                    {InstanceMethod<&StepGraphHandle::begin>("begin"), InstanceMethod<&StepGraphHandle::end>("end"), InstanceMethod<&StepGraphHandle::abandon>("abandon"),
                     InstanceMethod<&StepGraphHandle::replay>("replay"), InstanceAccessor("disposed", &StepGraphHandle::js_disposed, nullptr), InstanceMethod("dispose", &StepGraphHandle::js_dispose)}));
  }

 private:
  Napi::Value begin(const Napi::CallbackInfo& info) {
    const auto graph = get("begin");
    const TensorList batch = tensor_list_from_js(info[0], "batch");
    return AddonEnv::of(info.Env()).run<TensorList>(
        info.Env(), "begin", [graph, batch] { return slots_of(graph->begin(tensors_of(batch))); }, [](Napi::Env env, TensorList& made) { return list_to_js(env, made); });
  }

  Napi::Value end(const Napi::CallbackInfo& info) {
    const auto graph = get("end");
    const TensorList results = tensor_list_from_js(info[0], "results");
    return AddonEnv::of(info.Env()).run_void(info.Env(), "end", [graph, results] { graph->end(tensors_of(results)); });
  }

  Napi::Value abandon(const Napi::CallbackInfo& info) {
    const auto graph = get("abandon");
    return AddonEnv::of(info.Env()).run_void(info.Env(), "abandon", [graph] { graph->abandon(); });
  }

  Napi::Value replay(const Napi::CallbackInfo& info) {
    const auto graph = get("replay");
    const TensorList batch = tensor_list_from_js(info[0], "batch");
    using Results = std::optional<TensorList>;
    return AddonEnv::of(info.Env()).run<Results>(
        info.Env(), "replay",
        [graph, batch]() -> Results {
          const std::vector<at::Tensor> tensors = tensors_of(batch);
          if (!graph->fits(tensors)) return std::nullopt;
          return slots_of(graph->replay(tensors));
        },
        [](Napi::Env env, Results& results) -> Napi::Value { return results ? list_to_js(env, *results) : env.Null(); });
  }
};

const napi_type_tag StepGraphHandle::kTag = {0x4d7c1e90b2a8f356, 0x95e3f0d61b7c28a4};

Napi::Value create_step_graph(const Napi::CallbackInfo& info) {
  using GraphPtr = std::shared_ptr<engine::StepGraph>;
  const auto holder = ModelHandle::unwrap(info[0], "model");
  const auto sgd = SgdHandle::unwrap(info[1], "optimizer");
  const auto scaler = info[2].IsObject() ? GradScalerHandle::unwrap(info[2], "scaler") : nullptr;
  return AddonEnv::of(info.Env()).run<GraphPtr>(
      info.Env(), "createStepGraph",
      [holder, sgd, scaler] {
        const engine::CudaExtension& extension = engine::require_cuda_extension("CUDA graphs");
        std::vector<at::Tensor> parameters;
        for (const auto& group : sgd->groups()) parameters.insert(parameters.end(), group.parameters.begin(), group.parameters.end());
        const c10::Device device = parameters.at(0).device();
        if (!device.is_cuda()) throw SiamException("ERR_DEVICE", "createStepGraph: expected a model on a CUDA device but received one on " + device.str());
        auto watched = [holder, scaler] {
          const void* scale = scaler && scaler->scale_tensor().defined() ? scaler->scale_tensor().const_data_ptr() : nullptr;
          return engine::StepGraph::State{holder->model->is_training(), core::cuda::enabled(), reinterpret_cast<uint64_t>(scale)};
        };
        // Whether a loss was finite: a tensor of the graph, which step() looks at.
        auto remember = [sgd]() -> engine::StepGraph::Restore { return [sgd, seeds = sgd->seeds()] { sgd->set_seeds(seeds); }; };
        return std::make_shared<engine::StepGraph>(extension.make_graph(device.index()), std::move(parameters), std::move(watched), std::move(remember));
      },
      [](Napi::Env env, GraphPtr& graph) -> Napi::Value { return StepGraphHandle::wrap(env, AddonEnv::of(env).step_graph_class, graph); });
}

Napi::Value cuda_extension(const Napi::CallbackInfo& info) {
  using Report = engine::CudaExtensionReport;
  return AddonEnv::of(info.Env()).run<Report>(
      info.Env(), "cudaExtension", [] { return engine::cuda_extension(); },
      [](Napi::Env env, Report& report) -> Napi::Value {
        auto object = Napi::Object::New(env);
        object.Set("available", report.extension != nullptr);
        object.Set("path", report.path);
        object.Set("reason", report.reason);
        object.Set("nccl", Napi::Number::New(env, report.extension != nullptr ? report.extension->nccl_version : 0));
        return object;
      });
}

}  // namespace

void register_step_graph(Napi::Env env, Napi::Object exports, AddonEnv& addon) {
  StepGraphHandle::define(env, addon);
  exports.Set("cudaExtension", Napi::Function::New(env, cuda_extension, "cudaExtension"));
  exports.Set("createStepGraph", Napi::Function::New(env, create_step_graph, "createStepGraph"));
}

}  // namespace siam::binding
