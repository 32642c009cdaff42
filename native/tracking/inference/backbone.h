// The backbones as folded layers.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../../core/siam_track.h"
#include "conv_layer.h"

namespace siam::tracking::inference {

class Backbone {
 public:
  virtual ~Backbone() = default;
  /// @param image [N,3,H,W] uint8 BGR, on the device of the weights     @returns features [N,C,H',W']: bytes, torch_type() or float32
  virtual Activation run(const at::Tensor& image, Pass pass) = 0;
  /// Whether it gives a device the same work each time, without looking at what comes back.
  virtual bool repeats() const { return true; }
  /// Of all layers' bytes; what layers share comes several times.
  std::vector<Range*> ranges() {
    std::vector<Range*> all;
    for (auto& layer : layers_) all.push_back(&layer->range());
    return all;
  }

 protected:
  using Layer = std::shared_ptr<ConvLayer>;

  Layer add(FoldedConv conv, Arithmetic arithmetic) {
    layers_.push_back(std::make_shared<ConvLayer>(std::move(conv), arithmetic));
    return layers_.back();
  }
  /// The image as the first layer takes it: levels, as they are for bytes.
  static Activation entry(const at::Tensor& image, Arithmetic arithmetic, Pass pass);

 private:
  std::vector<Layer> layers_;
};

/// @param model  its weights are copied; a TorchScript backbone is called as it is
std::unique_ptr<Backbone> make_backbone(core::SiamTrack model, const WeightTable& weights, Arithmetic arithmetic);

// One file each.
std::unique_ptr<Backbone> make_alexnet(const WeightTable& weights, Arithmetic arithmetic);
std::unique_ptr<Backbone> make_tinyconv(const WeightTable& weights, Arithmetic arithmetic);
std::unique_ptr<Backbone> make_inception(const WeightTable& weights, Arithmetic arithmetic, int64_t crop_pad);
std::unique_ptr<Backbone> make_shufflenet(const WeightTable& weights, Arithmetic arithmetic, int64_t crop_pad);

}  // namespace siam::tracking::inference
