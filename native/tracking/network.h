// The network as trackers use it: template once, search image for each frame, head.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../core/siam_track.h"

namespace siam::tracking {

/// A head's outputs as evaluate() gives them, in one copy from where they are.
at::Tensor packed(const core::HeadOutput& head);
/// An index of `rows`, [T], into as many images; none where each image has its one row, or one image has them all.
at::Tensor row_index(const std::vector<int64_t>& rows, int64_t images, at::Device device);
/// The features of the `count` rows; nothing is copied where there is no index and they are as many as the images.
core::SearchFeatures of_rows(const core::SearchFeatures& search, const at::Tensor& index, int64_t count);

/// Crops are uint8 [N,3,S,S] BGR on the CPU; features live where the network computes, in its type. Each call runs in evaluation mode, without gradients.
class Network {
 public:
  virtual ~Network() = default;

  /// Before the first template of targets that begin together: their template and search crops, [N,…] both, of the first frame. A network may
  /// take its weights or what it needs to know of the pictures from here; when it throws it is as before.
  virtual void start(const at::Tensor& z_crops, const at::Tensor& x_crops) {}
  virtual core::TemplateFeatures template_features(const at::Tensor& z_crops) = 0;
  /// What a search image gives whatever the template is, so that several templates share it.
  virtual core::SearchFeatures search_features(const at::Tensor& x_crops) = 0;
  /// Of what search_features() gives, c_x [N,C,H,W] alone
  virtual at::Tensor classification_features(const at::Tensor& x_crops) { return search_features(x_crops).c_x; }
  /// Correlation and head. @param search, features  of one N
  virtual core::HeadOutput head(const core::SearchFeatures& search, const core::TemplateFeatures& features) = 0;
  /// What a tracker asks of every frame: search_features() and head() in one, and the way back to the host.
  /// @param templates  of T targets     @param rows  which of x_crops each template is searched in, [T]
  /// @returns [T,S²,6] float32 on the CPU, contiguous: classification and centre-ness logits, x0, y0, x1, y1     @throws as head()
  virtual at::Tensor evaluate(const at::Tensor& x_crops, const core::TemplateFeatures& templates, const std::vector<int64_t>& rows);
  /// What a device worked on the last evaluate(), by its own clock; 0 where the host did it all.
  virtual double device_seconds() const { return 0; }
};

/// Work of a device, recorded once and given to it again as one piece. What it reads and writes stays where it was. Thread: engine.
class DeviceGraph {
 public:
  virtual ~DeviceGraph() = default;
  /// Records what `work` gives to the device, which does not do it yet.     @throws where something in it cannot be recorded; the device then is as before
  virtual void capture(const std::function<void()>& work) = 0;
  /// On the current stream. Does not wait.
  virtual void replay() = 0;
};
/// None where it is empty, or gives null: the work is then given out anew each time.
using MakeDeviceGraph = std::function<std::unique_ptr<DeviceGraph>(at::Device)>;

/// Folded (inference/folded_network.h): on the CPU by our own kernels, on a GPU by libtorch's operators (inference/device_network.h).
/// @param precision  fp32, bf16, fp16 (GPU) or int8 (CPU)     @throws ERR_ARGUMENT for one that is not available on the model's device
std::shared_ptr<Network> make_network(core::SiamTrack model, const std::string& precision, MakeDeviceGraph make_graph = {});
/// As a GPU's, on any device: for tests.     @throws ERR_ARGUMENT for int8
std::shared_ptr<Network> make_device_network(core::SiamTrack model, const std::string& precision, MakeDeviceGraph make_graph = {});

}  // namespace siam::tracking
