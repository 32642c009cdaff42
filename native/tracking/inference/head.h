// What follows the backbone, as folded layers: adjustment convolutions, correlation, towers, outputs.
#pragma once

#include <memory>
#include <vector>

#include "../../core/siam_track.h"
#include "conv_layer.h"

namespace siam::tracking::inference {

class Head {
 public:
  Head(const WeightTable& weights, const core::DenseboxHeadOptions& options, Arithmetic arithmetic);

  /// @param f_z [N,C,H,W] float32     @returns float32, in every arithmetic: a template is looked at once and used in every frame
  core::TemplateFeatures template_features(const Activation& f_z);
  /// @param f_x  the backbone's, bytes or float32     @returns all float32
  core::SearchFeatures search_features(const Activation& f_x, int64_t x_size, Pass pass);
  /// On the CPU, by our own kernels.     @throws ERR_SHAPE as core::DenseboxHead does
  core::HeadOutput match(const core::SearchFeatures& search, const core::TemplateFeatures& features, Pass pass);
  /// What match() computes with libtorch's operators, up to where the host goes on: classification and centre-ness logits, then the box
  /// offsets that place_boxes() takes. One tensor, for one copy.     @returns [N,S²,6] float32 on the device     @throws as match()
  at::Tensor raw(const core::SearchFeatures& search, const core::TemplateFeatures& features);
  /// Turns a cell's four offsets into x0,y0,x1,y1 in pixels of the search crop. @param offsets  on the CPU, the first of a cell `stride` after the last cell's
  void place_boxes(float* offsets, int64_t stride, int64_t images, int64_t cells, int64_t x_size) const;
  /// Of all activations that become bytes.
  std::vector<Range*> ranges();

 private:
  using Layer = std::shared_ptr<ConvLayer>;

  void check_map(const at::Tensor& cls) const;
  /// Correlation and tower. @returns float32, or what libtorch's operators compute in
  at::Tensor branch(const at::Tensor& x, const at::Tensor& k, Quantizer& quantizer, std::vector<Layer>& tower, Pass pass);

  core::DenseboxHeadOptions options_;
  bool on_torch_;
  Layer c_x_, r_x_, c_z_k_, r_z_k_;
  std::vector<Layer> cls_tower_, box_tower_;
  Quantizer f_x_, c_out_, r_out_;
  at::Tensor score_weight_, score_bias_;  ///< [2,C], [2]: classification, centre-ness
  at::Tensor box_weight_, box_bias_;      ///< [4,C], [4]
  float bi_, si_;
};

}  // namespace siam::tracking::inference
