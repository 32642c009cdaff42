#include "tracker_network.h"

#include <cstdlib>
#include <cstring>
#include <utility>

#include "../engine/cuda_extension.h"
#include "convert.h"

namespace siam::binding {
namespace {

class CudaDeviceGraph final : public tracking::DeviceGraph {
 public:
  explicit CudaDeviceGraph(std::unique_ptr<engine::CudaGraph> graph) : graph_(std::move(graph)) {}
  void capture(const std::function<void()>& work) override { graph_->capture(work); }
  void replay() override { graph_->replay(); }

 private:
  const std::unique_ptr<engine::CudaGraph> graph_;
};

std::unique_ptr<tracking::DeviceGraph> cuda_graph(at::Device device) {
  const engine::CudaExtension* extension = engine::cuda_extension().extension;
  if (extension == nullptr) return nullptr;
  return std::make_unique<CudaDeviceGraph>(extension->make_graph(device.has_index() ? device.index() : c10::DeviceIndex{0}));
}

/// Gives the work out anew: what a graph's user sees of one, on a device that has none.
class RepeatedWork final : public tracking::DeviceGraph {
 public:
  void capture(const std::function<void()>& work) override { work_ = work; }
  void replay() override { work_(); }

 private:
  std::function<void()> work_;
};

bool wants_graphs() {
  const char* value = std::getenv("SIAMFCPP_TRACK_GRAPH");
  return value == nullptr || std::strcmp(value, "0") != 0;
}

}  // namespace

std::shared_ptr<tracking::Network> network_of(core::SiamTrack model, const Napi::Object& spec) {
  const std::string precision = text(spec, "precision");
  const Napi::Value kind = spec.Get("network");
  if (kind.IsString()) {
    tracking::MakeDeviceGraph graphs;
    if (kind.As<Napi::String>().Utf8Value() == "recorded") graphs = [](at::Device) { return std::make_unique<RepeatedWork>(); };
    return tracking::make_device_network(std::move(model), precision, std::move(graphs));
  }
  const bool on_cuda = model->options().device.is_cuda();
  return tracking::make_network(std::move(model), precision, on_cuda && wants_graphs() ? tracking::MakeDeviceGraph(cuda_graph) : tracking::MakeDeviceGraph());
}

}  // namespace siam::binding
