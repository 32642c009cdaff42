#include "head.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>

#include "../../base/error.h"
#include "../../core/dispatch.h"
#include "../../core/xcorr.h"

namespace siam::tracking::inference {

namespace {

const float* read(const at::Tensor& x) { return static_cast<const float*>(x.const_data_ptr()); }
float* write(const at::Tensor& x) { return static_cast<float*>(x.data_ptr()); }

/// Cells of a map through a last layer that decides boxes to a fraction of a pixel: float32 in every arithmetic.
/// @param x [N,C,S,S]     @returns [N,S²,outputs]
at::Tensor dense(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const int64_t cells = x.size(2) * x.size(3), outputs = weight.size(0);
  const at::Tensor in = x.contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor out = at::empty({x.size(0), cells, outputs}, x.options().memory_format(at::MemoryFormat::Contiguous));
  at::parallel_for(0, x.size(0) * cells, 64, [&](int64_t begin, int64_t end) {
    kernels::dense_rows(read(in), read(weight), read(bias), write(out), x.size(1), outputs, begin, end);
  });
  return out;
}

/// The same by libtorch's operators, on any device.
at::Tensor torch_dense(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const int64_t cells = x.size(2) * x.size(3);
  const at::Tensor rows = x.to(at::kFloat).permute({0, 2, 3, 1}).reshape({x.size(0) * cells, x.size(1)});
  return at::addmm(bias, rows, weight.t()).view({x.size(0), cells, weight.size(0)});
}

at::Tensor flat(const FoldedConv& conv) { return conv.weight.flatten(1).contiguous(); }

}  // namespace

Head::Head(const WeightTable& weights, const core::DenseboxHeadOptions& options, Arithmetic arithmetic)
    : options_(options), on_torch_(torch_type(arithmetic).has_value()), f_x_(arithmetic == Arithmetic::k8), c_out_(arithmetic == Arithmetic::k8), r_out_(arithmetic == Arithmetic::k8), bi_(weights.number("head.bi")), si_(weights.number("head.si")) {
  const auto layer = [&](const std::string& name, bool relu, Arithmetic as) {
    ConvOptions conv;
    conv.relu = relu;
    return std::make_shared<ConvLayer>(weights.fold(name, conv), as, ConvLayer::Gives::kFloat);
  };
  c_x_ = layer("c_x", false, arithmetic);
  r_x_ = layer("r_x", false, arithmetic);
  const auto template_arithmetic = arithmetic == Arithmetic::k8 ? Arithmetic::kFloat : arithmetic;
  c_z_k_ = layer("c_z_k", false, template_arithmetic);
  r_z_k_ = layer("r_z_k", false, template_arithmetic);
  for (int64_t i = 0; i < options.num_conv3x3; i++) {
    const auto gives = i + 1 < options.num_conv3x3 ? ConvLayer::Gives::kBytes : ConvLayer::Gives::kFloat;
    const std::string number = std::to_string(i + 1);
    cls_tower_.push_back(std::make_shared<ConvLayer>(weights.fold("head.cls_p5_conv" + number, {}), arithmetic, gives));
    box_tower_.push_back(std::make_shared<ConvLayer>(weights.fold("head.bbox_p5_conv" + number, {}), arithmetic, gives));
  }
  const FoldedConv cls = weights.fold("head.cls_score_p5", {}), ctr = weights.fold("head.ctr_score_p5", {}), box = weights.fold("head.bbox_offsets_p5", {});
  const at::Device device = on_torch_ ? weights.device() : at::Device(at::kCPU);
  score_weight_ = at::cat({flat(cls), flat(ctr)}, 0).contiguous().to(device);
  score_bias_ = at::cat({cls.bias, ctr.bias}, 0).contiguous().to(device);
  box_weight_ = flat(box).to(device);
  box_bias_ = box.bias.contiguous().to(device);
}

std::vector<Range*> Head::ranges() {
  std::vector<Range*> all;
  for (const auto* tower : {&cls_tower_, &box_tower_}) {
    for (const auto& layer : *tower) all.push_back(&layer->range());
  }
  for (auto* quantizer : {&f_x_, &c_out_, &r_out_}) all.push_back(&quantizer->range());
  return all;
}

core::TemplateFeatures Head::template_features(const Activation& f_z) { return {c_z_k_->run(f_z, Pass::kFloat).values, r_z_k_->run(f_z, Pass::kFloat).values}; }

core::SearchFeatures Head::search_features(const Activation& f_x, int64_t x_size, Pass pass) {
  const Activation in = f_x_.run(f_x, pass);
  return {c_x_->run(in, pass).values, r_x_->run(in, pass).values, on_torch_ ? f_x.values : to_float(f_x), x_size};
}

at::Tensor Head::branch(const at::Tensor& x, const at::Tensor& k, Quantizer& quantizer, std::vector<Layer>& tower, Pass pass) {
  const auto interleaved = [](const at::Tensor& t) { return t.contiguous(at::MemoryFormat::ChannelsLast); };
  Activation y = quantizer.run({core::xcorr_depthwise(interleaved(x), interleaved(k)), {}}, pass);
  for (auto& layer : tower) y = layer->run(y, pass);
  return on_torch_ ? y.values : to_float(y);
}

void Head::check_map(const at::Tensor& cls) const {
  if (cls.size(3) == cls.size(2) && (options_.input_size_adapt || cls.size(2) == options_.score_size)) return;
  throw SiamException("ERR_SHAPE", "DenseboxHead: expected a score map of " + std::to_string(options_.score_size) + "x" + std::to_string(options_.score_size) +
                                       " (score_size) but received " + core::describe(cls) + "; check x_size, score_size and the size of the search image");
}

at::Tensor Head::raw(const core::SearchFeatures& search, const core::TemplateFeatures& features) {
  const at::Tensor cls = branch(search.c_x, features.c_z_k, c_out_, cls_tower_, Pass::kRun);
  const at::Tensor box = branch(search.r_x, features.r_z_k, r_out_, box_tower_, Pass::kRun);
  check_map(cls);
  return at::cat({torch_dense(cls, score_weight_, score_bias_), torch_dense(box, box_weight_, box_bias_)}, 2);
}

void Head::place_boxes(float* offsets, int64_t stride, int64_t images, int64_t cells, int64_t x_size) const {
  const auto size = static_cast<int64_t>(std::lround(std::sqrt(static_cast<double>(cells))));
  const int64_t first = ((options_.input_size_adapt ? x_size : options_.x_size) - 1 - (size - 1) * options_.total_stride) / 2;
  const float step = static_cast<float>(options_.total_stride);
  float* corners = offsets;
  for (int64_t i = 0; i < images * cells; i++, corners += stride) {
    const float centre[2] = {static_cast<float>(first + i % size * options_.total_stride), static_cast<float>(first + i % cells / size * options_.total_stride)};
    for (int side = 0; side < 4; side++) {
      const float distance = std::exp(si_ * corners[side] + bi_) * step;
      corners[side] = side < 2 ? centre[side] - distance : centre[side - 2] + distance;
    }
  }
}

core::HeadOutput Head::match(const core::SearchFeatures& search, const core::TemplateFeatures& features, Pass pass) {
  const at::Tensor cls = branch(search.c_x, features.c_z_k, c_out_, cls_tower_, pass);
  const at::Tensor box = branch(search.r_x, features.r_z_k, r_out_, box_tower_, pass);
  check_map(cls);
  const at::Tensor scores = dense(cls, score_weight_, score_bias_), offsets = dense(box, box_weight_, box_bias_);
  core::HeadOutput out;
  out.corr_fea = cls;
  out.cls = scores.narrow(2, 0, 1);
  out.ctr = scores.narrow(2, 1, 1);
  out.box = offsets;
  place_boxes(write(out.box), 4, cls.size(0), cls.size(2) * cls.size(3), search.x_size);
  return out;
}

}  // namespace siam::tracking::inference
