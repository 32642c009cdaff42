#include "network.h"

#include <ATen/ATen.h>

#include <utility>

#include "../base/error.h"
#include "inference/device_network.h"
#include "inference/folded_network.h"

namespace siam::tracking {
namespace {

[[noreturn]] void refuse(const std::string& why) { throw SiamException("ERR_ARGUMENT", "createTracker: " + why); }

}  // namespace

at::Tensor packed(const core::HeadOutput& head) { return at::cat({head.cls, head.ctr, head.box}, 2).to(at::kFloat).to(at::kCPU).contiguous(); }

at::Tensor row_index(const std::vector<int64_t>& rows, int64_t images, at::Device device) {
  const auto count = static_cast<int64_t>(rows.size());
  bool as_they_are = images == count;
  for (int64_t i = 0; as_they_are && i < count; i++) as_they_are = rows[static_cast<size_t>(i)] == i;
  return as_they_are || images == 1 ? at::Tensor() : at::tensor(rows, at::kLong).to(device);
}

core::SearchFeatures of_rows(const core::SearchFeatures& search, const at::Tensor& index, int64_t count) {
  if (!index.defined() && search.c_x.size(0) == count) return search;
  const auto of = [&](const at::Tensor& features) {
    const at::Tensor all = index.defined() ? features.index_select(0, index) : features.expand({count, -1, -1, -1});
    return all.contiguous(features.suggest_memory_format());
  };
  return {of(search.c_x), of(search.r_x), search.f_x, search.x_size};
}

at::Tensor Network::evaluate(const at::Tensor& x_crops, const core::TemplateFeatures& templates, const std::vector<int64_t>& rows) {
  const core::SearchFeatures search = search_features(x_crops);
  const at::Tensor index = row_index(rows, x_crops.size(0), search.c_x.device());
  return packed(head(of_rows(search, index, static_cast<int64_t>(rows.size())), templates));
}

std::shared_ptr<Network> make_network(core::SiamTrack model, const std::string& precision, MakeDeviceGraph make_graph) {
  using inference::Arithmetic;
  const at::Device device = model->options().device;
  if (!device.is_cpu()) {
    if (precision == "int8") refuse("the precision int8 runs on the CPU, and this model is on " + device.str() + "; use fp16 or bf16 there");
    return make_device_network(std::move(model), precision, std::move(make_graph));
  }
  const auto folded = [&](Arithmetic arithmetic) { return std::make_shared<inference::FoldedNetwork>(std::move(model), arithmetic); };
  if (precision == "fp32") return folded(Arithmetic::kFloat);
  if (precision == "bf16") return folded(Arithmetic::k16);
  if (precision == "fp16") refuse("the precision fp16 runs on a GPU, and this model is on the CPU; use bf16 or int8 there");
  if (precision != "int8") refuse("Expected the precision fp32, bf16, fp16 or int8 but received " + precision);
  if (!inference::onednn::available()) refuse("the precision int8 needs a libtorch with oneDNN, which this one is not");
  return folded(Arithmetic::k8);
}

std::shared_ptr<Network> make_device_network(core::SiamTrack model, const std::string& precision, MakeDeviceGraph make_graph) {
  using inference::Arithmetic;
  const auto made = [&](Arithmetic arithmetic) { return std::make_shared<inference::DeviceNetwork>(std::move(model), arithmetic, std::move(make_graph)); };
  if (precision == "fp32") return made(Arithmetic::kTorchFloat);
  if (precision == "bf16") return made(Arithmetic::kTorchBf16);
  if (precision == "fp16") return made(Arithmetic::kTorchHalf);
  refuse("Expected the precision fp32, bf16 or fp16 but received " + precision);
}

}  // namespace siam::tracking
