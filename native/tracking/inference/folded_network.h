// The network as a tracker runs it: weights folded and laid out once, in 32, 16 or 8 bits.
#pragma once

#include <memory>

#include "../network.h"
#include "backbone.h"
#include "head.h"

namespace siam::tracking::inference {

/// start() takes the model's weights as they are then, so that a model may be trained on between two targets; in 8 bits it also takes the
/// ranges of the activations from the crops, those that hold for all of them. Nothing a later frame changes. docs/precision.md. Thread: engine.
class FoldedNetwork : public Network {
 public:
  FoldedNetwork(core::SiamTrack model, Arithmetic arithmetic);

  void start(const at::Tensor& z_crops, const at::Tensor& x_crops) override;
  core::TemplateFeatures template_features(const at::Tensor& z_crops) override;
  core::SearchFeatures search_features(const at::Tensor& x_crops) override;
  core::HeadOutput head(const core::SearchFeatures& search, const core::TemplateFeatures& features) override;

 protected:
  struct Folded {
    uint64_t fingerprint = 0;
    bool finite = true;
    std::unique_ptr<Backbone> backbone;
    std::unique_ptr<Head> head;

    /// Takes the ranges from the crops of all targets; when it throws they are those of before.     @returns whether all was finite
    bool observe(const at::Tensor& z_crops, const at::Tensor& x_crops);
  };

  void check_started() const;
  const std::shared_ptr<Folded>& now() const { return folded_; }
  const core::SiamTrack& model() const { return model_; }
  Arithmetic arithmetic() const { return arithmetic_; }

 private:
  /// The model's weights as they are, folded anew where they changed.
  std::shared_ptr<Folded> folded() const;

  core::SiamTrack model_;
  const Arithmetic arithmetic_;
  std::shared_ptr<Folded> folded_;
  bool tame_ = true;  ///< the activations that ranges were taken from were finite
};

}  // namespace siam::tracking::inference
