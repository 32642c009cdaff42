// The network as trackers use it: template once, search image for each frame, head.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "../core/siam_track.h"

namespace siam::tracking {

/// Crops are uint8 [N,3,S,S] BGR on the CPU; what comes back lives where the network does. Each call runs in evaluation mode, without gradients.
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
};

/// The module as it is trained, in its own precision or under autocast; it may be one that is being trained. For devices other than the CPU.
class ModuleNetwork : public Network {
 public:
  /// @param autocast  bfloat16 products
  explicit ModuleNetwork(core::SiamTrack model, bool autocast = false) : model_(std::move(model)), autocast_(autocast) {}

  core::TemplateFeatures template_features(const at::Tensor& z_crops) override;
  core::SearchFeatures search_features(const at::Tensor& x_crops) override;
  at::Tensor classification_features(const at::Tensor& x_crops) override;
  core::HeadOutput head(const core::SearchFeatures& search, const core::TemplateFeatures& features) override;

 private:
  core::SiamTrack model_;
  bool autocast_;
};

/// On the CPU folded (inference/folded_network.h), elsewhere the module.
/// @param precision  fp32, bf16 or int8     @throws ERR_ARGUMENT for one that is not available on the model's device
std::shared_ptr<Network> make_network(core::SiamTrack model, const std::string& precision);

}  // namespace siam::tracking
