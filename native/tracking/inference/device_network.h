// The folded network on a GPU: what a frame needs is one copy there, one graph of work, one copy back.
#pragma once

#include <c10/core/Event.h>

#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "folded_network.h"

namespace siam::tracking::inference {

/// By libtorch's operators, with weights and activations of one type, interleaved (channels_last). The host waits once a frame, for the head's
/// outputs; sigmoid, boxes, penalty and the choice of the cell are its own, with the formulas of the CPU's network.
///
/// Frames of one shape share buffers. After some frames their work is recorded as a graph, where there are graphs: a small network's kernels
/// take less time than giving them out one by one. Thread: engine. On the CPU, too (for tests).
class DeviceNetwork : public FoldedNetwork {
 public:
  /// @param arithmetic  one that libtorch's operators compute in
  DeviceNetwork(core::SiamTrack model, Arithmetic arithmetic, MakeDeviceGraph make_graph = {});

  void start(const at::Tensor& z_crops, const at::Tensor& x_crops) override;
  core::TemplateFeatures template_features(const at::Tensor& z_crops) override;
  core::SearchFeatures search_features(const at::Tensor& x_crops) override;
  /// @returns on the CPU
  core::HeadOutput head(const core::SearchFeatures& search, const core::TemplateFeatures& features) override;
  at::Tensor evaluate(const at::Tensor& x_crops, const core::TemplateFeatures& templates, const std::vector<int64_t>& rows) override;
  double device_seconds() const override { return device_seconds_; }

 private:
  /// The buffers of frames of one shape, at addresses that a graph may keep.
  struct Plan {
    std::vector<int64_t> sizes;  ///< of the crops
    std::vector<int64_t> rows;
    at::Tensor staging;  ///< [N,S,S,3] bytes, page-locked, so that the device copies by itself
    at::Tensor input;    ///< the same on the device
    at::Tensor index;    ///< row_index() of the rows
    core::TemplateFeatures copied;     ///< of which templates_ are copies
    core::TemplateFeatures templates;
    at::Tensor raw;      ///< Head::raw()
    at::Tensor fetched;  ///< the same, page-locked
    int64_t frames = 0;
    bool records = true;  ///< whether a graph can be tried
    std::unique_ptr<DeviceGraph> graph;
  };

  Plan& plan_of(const at::Tensor& x_crops, const core::TemplateFeatures& templates, const std::vector<int64_t>& rows);
  static void take_templates(Plan& plan, const core::TemplateFeatures& templates);
  void work(Plan& plan);
  bool record(Plan& plan);
  at::Tensor to_host(const at::Tensor& raw, const at::Tensor& buffer, int64_t x_size) const;

  const at::Device device_;
  const MakeDeviceGraph make_graph_;
  std::list<Plan> plans_;  ///< used last comes first
  std::optional<c10::Event> begun_, done_;  ///< around the device's part of evaluate(); none on the CPU
  double device_seconds_ = 0;
};

}  // namespace siam::tracking::inference
