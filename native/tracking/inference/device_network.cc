#include "device_network.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Logging.h>

#include <array>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "exact_scope.h"

namespace siam::tracking::inference {

namespace {

/// Frames of a shape before it is worth a graph; the first ones also choose algorithms and fill the allocator, which cannot be recorded.
constexpr int64_t kFramesBeforeGraph = 3;
/// Shapes that are kept: a tracker that looks for a lost target has two.
constexpr size_t kMostPlans = 4;
constexpr int64_t kColumns = 6;

/// Around whatever is given to the device.
struct Scope {
  explicit Scope(at::Device device) {
    if (!device.is_cpu()) guard.reset_device(device);
  }
  c10::OptionalDeviceGuard guard;
  const c10::NoGradGuard no_grad;
  const ExactScope exact;
};

c10::Stream current_stream(at::Device device) { return c10::impl::VirtualGuardImpl(device.type()).getStream(device); }

}  // namespace

DeviceNetwork::DeviceNetwork(core::SiamTrack model, Arithmetic arithmetic, MakeDeviceGraph make_graph)
    : FoldedNetwork(std::move(model), arithmetic), device_(this->model()->options().device), make_graph_(std::move(make_graph)) {
  if (device_.is_cpu()) return;
  begun_.emplace(device_.type(), c10::EventFlag::BACKEND_DEFAULT);  // with time
  done_.emplace(device_.type(), c10::EventFlag::BACKEND_DEFAULT);
}

void DeviceNetwork::start(const at::Tensor& z_crops, const at::Tensor& x_crops) {
  const Scope scope(device_);
  const auto before = now();
  FoldedNetwork::start(z_crops, x_crops);
  if (now() != before) plans_.clear();  // graphs read the weights from where they were
}

core::TemplateFeatures DeviceNetwork::template_features(const at::Tensor& z_crops) {
  const Scope scope(device_);
  return FoldedNetwork::template_features(z_crops.to(device_));
}

core::SearchFeatures DeviceNetwork::search_features(const at::Tensor& x_crops) {
  const Scope scope(device_);
  return FoldedNetwork::search_features(x_crops.to(device_));
}

core::HeadOutput DeviceNetwork::head(const core::SearchFeatures& search, const core::TemplateFeatures& features) {
  check_started();
  const Scope scope(device_);
  const at::Tensor raw = now()->head->raw(search, features);
  const at::Tensor all = to_host(raw, at::Tensor(), search.x_size);
  core::HeadOutput out;
  out.cls = all.narrow(2, 0, 1);
  out.ctr = all.narrow(2, 1, 1);
  out.box = all.narrow(2, 2, 4);
  return out;
}

at::Tensor DeviceNetwork::evaluate(const at::Tensor& x_crops, const core::TemplateFeatures& templates, const std::vector<int64_t>& rows) {
  check_started();
  const Scope scope(device_);
  Plan& plan = plan_of(x_crops, templates, rows);
  // The last frame's copy out of it is done: its outputs were waited for.
  plan.staging.copy_(x_crops.permute({0, 2, 3, 1}));
  if (begun_) begun_->record(current_stream(device_));
  plan.input.copy_(plan.staging, /*non_blocking=*/true);
  take_templates(plan, templates);
  if (plan.graph != nullptr || record(plan)) plan.graph->replay();
  else work(plan);
  if (done_) done_->record(current_stream(device_));
  plan.frames += 1;
  if (!plan.fetched.defined()) plan.fetched = at::empty(plan.raw.sizes(), at::TensorOptions().dtype(at::kFloat).pinned_memory(device_.is_cuda()));
  const at::Tensor out = to_host(plan.raw, plan.fetched, x_crops.size(3));
  constexpr double kMilliseconds = 1e-3;
  if (begun_) device_seconds_ = begun_->elapsedTime(*done_) * kMilliseconds;
  return out;
}

DeviceNetwork::Plan& DeviceNetwork::plan_of(const at::Tensor& x_crops, const core::TemplateFeatures& templates, const std::vector<int64_t>& rows) {
  const auto sizes = x_crops.sizes().vec();
  for (auto at = plans_.begin(); at != plans_.end(); ++at) {
    if (at->sizes != sizes || at->rows != rows || at->templates.c_z_k.sizes() != templates.c_z_k.sizes()) continue;
    plans_.splice(plans_.begin(), plans_, at);
    return plans_.front();
  }
  Plan plan;
  plan.sizes = sizes;
  plan.rows = rows;
  const std::array<int64_t, 4> interleaved{sizes[0], sizes[2], sizes[3], sizes[1]};
  plan.staging = at::empty(at::IntArrayRef(interleaved), at::TensorOptions().dtype(at::kByte).pinned_memory(device_.is_cuda()));
  plan.input = at::empty(at::IntArrayRef(interleaved), at::TensorOptions().dtype(at::kByte).device(device_));
  plan.index = row_index(rows, sizes[0], device_);
  plan.templates = {at::empty_like(templates.c_z_k, at::MemoryFormat::ChannelsLast), at::empty_like(templates.r_z_k, at::MemoryFormat::ChannelsLast)};
  plan.records = make_graph_ && now()->backbone->repeats();
  if (plans_.size() == kMostPlans) plans_.pop_back();
  plans_.push_front(std::move(plan));
  return plans_.front();
}

void DeviceNetwork::take_templates(Plan& plan, const core::TemplateFeatures& templates) {
  // They are held, so that no others can come to be the same tensors.
  if (plan.copied.c_z_k.is_same(templates.c_z_k) && plan.copied.r_z_k.is_same(templates.r_z_k)) return;
  plan.templates.c_z_k.copy_(templates.c_z_k);
  plan.templates.r_z_k.copy_(templates.r_z_k);
  plan.copied = templates;
}

void DeviceNetwork::work(Plan& plan) {
  const at::Tensor image = plan.input.permute({0, 3, 1, 2});
  const core::SearchFeatures search = now()->head->search_features(now()->backbone->run(image, Pass::kRun), image.size(3), Pass::kRun);
  plan.raw = now()->head->raw(of_rows(search, plan.index, static_cast<int64_t>(plan.rows.size())), plan.templates);
}

/// @returns whether there is a graph now
bool DeviceNetwork::record(Plan& plan) {
  if (!plan.records || plan.frames < kFramesBeforeGraph) return false;
  plan.records = false;  // once: what failed would fail again
  try {
    auto graph = make_graph_(device_);
    if (graph == nullptr) return false;
    graph->capture([&] { work(plan); });
    plan.graph = std::move(graph);
    return true;
  } catch (const std::exception& error) {
    // Without a graph the same work is done, only slower.
    LOG(WARNING) << "tracking goes on without a graph of the device's work: " << error.what();
    return false;
  }
}

/// One copy, which waits. @param buffer  page-locked, or none     @returns evaluate()'s form
at::Tensor DeviceNetwork::to_host(const at::Tensor& raw, const at::Tensor& buffer, int64_t x_size) const {
  const at::Tensor out = at::empty(raw.sizes(), at::kFloat);
  if (buffer.defined()) {
    buffer.copy_(raw);
    std::memcpy(out.data_ptr(), buffer.const_data_ptr(), out.nbytes());
  } else {
    out.copy_(raw);
  }
  now()->head->place_boxes(static_cast<float*>(out.data_ptr()) + 2, kColumns, out.size(0), out.size(1), x_size);
  // A ReLU of cuDNN may make 0 of a NaN.
  if (!now()->finite) out.fill_(std::numeric_limits<float>::quiet_NaN());
  return out;
}

}  // namespace siam::tracking::inference
