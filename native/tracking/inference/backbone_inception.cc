#include <ATen/ATen.h>

#include "../../core/backbone_parts.h"
#include "backbone.h"

namespace siam::tracking::inference {

namespace {

constexpr double kEps = 1e-3;
constexpr float kMiddle[3] = {127.5f, 127.5f, 127.5f};

/// Where a branch of a block begins: at the block's input, or at a pool of it.
enum class Pool { kNone, kMean, kMax };

struct Unit {
  const char* name;
  std::array<int64_t, 2> padding{0, 0};
  int64_t stride = 1;
};

class Inception3 : public Backbone {
 public:
  Inception3(const WeightTable& weights, Arithmetic arithmetic, int64_t crop_pad) : weights_(&weights), arithmetic_(arithmetic), crop_pad_(crop_pad) {
    if (torch_type(arithmetic)) middle_ = at::full({1, 3, 1, 1}, kMiddle[0], at::TensorOptions().dtype(at::kFloat).device(weights.device()));
    first_ = add(first_conv(), arithmetic);
    stem_ = {unit("", {"Conv2d_2a_3x3"}), unit("", {"Conv2d_2b_3x3", {1, 1}}), unit("", {"Conv2d_3b_1x1"}), unit("", {"Conv2d_4a_3x3"})};
    for (const char* name : {"Mixed_5b", "Mixed_5c", "Mixed_5d"}) {
      begin(name);
      branch(Pool::kNone, {{"branch1x1"}});
      branch(Pool::kNone, {{"branch5x5_1"}, {"branch5x5_2", {2, 2}}});
      branch(Pool::kNone, {{"branch3x3dbl_1"}, {"branch3x3dbl_2", {1, 1}}, {"branch3x3dbl_3", {1, 1}}});
      branch(Pool::kMean, {{"branch_pool"}});
    }
    const auto joined_range = range_;  // the next block passes its input on, so that both have one range
    begin("Mixed_6a");
    range_ = joined_range;
    branch(Pool::kNone, {{"branch3x3", {0, 0}, 2}});
    branch(Pool::kNone, {{"branch3x3dbl_1"}, {"branch3x3dbl_2", {1, 1}}, {"branch3x3dbl_3", {0, 0}, 2}});
    branch(Pool::kMax, {});
    for (const char* name : {"Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"}) {
      const std::array<int64_t, 2> row{0, 3}, column{3, 0};
      begin(name);
      branch(Pool::kNone, {{"branch1x1"}});
      branch(Pool::kNone, {{"branch7x7_1"}, {"branch7x7_2", row}, {"branch7x7_3", column}});
      branch(Pool::kNone, {{"branch7x7dbl_1"}, {"branch7x7dbl_2", column}, {"branch7x7dbl_3", row}, {"branch7x7dbl_4", column}, {"branch7x7dbl_5", row}});
      branch(Pool::kMean, {{"branch_pool"}});
    }
    ConvOptions options;
    options.relu = false;
    options.eps = kEps;
    reduce_ = add(weights.fold("basemodel.channel_reduce.0", "basemodel.channel_reduce.1", options), arithmetic);
    weights_ = nullptr;
  }

  Activation run(const at::Tensor& image, Pass pass) override {
    Activation x = first_->run(arithmetic_ == Arithmetic::kFloat ? image_to_float(image, kMiddle, /*swap=*/false)
                               : middle_.defined()               ? image_to(*torch_type(arithmetic_), image, middle_)
                                                                 : entry(image, arithmetic_, pass),
                               pass);
    for (size_t i = 0; i < stem_.size(); i++) {
      if (i == 2) x = max_pool(x, 2, 0, false);
      x = stem_[i]->run(x, pass);
    }
    for (auto& block : blocks_) {
      std::vector<Activation> parts;
      for (auto& made : block) {
        Activation y = made.pool == Pool::kMean ? mean_pool(x) : made.pool == Pool::kMax ? max_pool(x, 2, 0, false) : x;
        for (auto& layer : made.layers) y = layer->run(y, pass);
        parts.push_back(y);
      }
      x = joined(parts);
    }
    x.values = core::crop_border(x.values, crop_pad_, "Inception3");
    return reduce_->run(x, pass);
  }

 private:
  struct Branch {
    Pool pool;
    std::vector<Layer> layers;
  };
  using Block = std::vector<Branch>;

  /// Takes BGR bytes where the network was trained on RGB in [-1, 1]: there is no padding, so that offset and unit go into the weights.
  FoldedConv first_conv() const {
    constexpr double kHalf = 255 / 2.0;
    FoldedConv conv = fold("Conv2d_1a_3x3", {"", {0, 0}, 2});
    // Otherwise the offset is taken from the pixels (levels less 127.5 are exact in every type): large sums that cancel would round more.
    if (arithmetic_ == Arithmetic::k16 || arithmetic_ == Arithmetic::k8) conv.bias = (conv.bias.to(at::kDouble) - conv.weight.to(at::kDouble).sum({1, 2, 3})).to(at::kFloat);
    conv.weight = (conv.weight.to(at::kDouble).flip({1}) / kHalf).to(at::kFloat).contiguous();
    return conv;
  }

  FoldedConv fold(const std::string& name, const Unit& unit) const {
    ConvOptions options;
    options.stride = unit.stride;
    options.padding = unit.padding;
    options.eps = kEps;
    return weights_->fold("basemodel." + name, options);
  }

  Layer unit(const std::string& block, const Unit& unit) { return add(fold(block + unit.name, unit), arithmetic_); }

  void begin(const char* name) {
    name_ = std::string(name) + ".";
    range_ = std::make_shared<Range>();
    blocks_.emplace_back();
  }

  void branch(Pool pool, const std::vector<Unit>& units) {
    Branch made{pool, {}};
    for (const auto& one : units) made.layers.push_back(unit(name_, one));
    if (!made.layers.empty()) made.layers.back()->set_range(range_);
    blocks_.back().push_back(made);
  }

  const WeightTable* weights_;
  Arithmetic arithmetic_;
  int64_t crop_pad_;
  at::Tensor middle_;  ///< what the image is less, for libtorch's operators
  std::string name_;
  std::shared_ptr<Range> range_;  ///< of the block that is being built
  Layer first_, reduce_;
  std::vector<Layer> stem_;
  std::vector<Block> blocks_;
};

}  // namespace

std::unique_ptr<Backbone> make_inception(const WeightTable& weights, Arithmetic arithmetic, int64_t crop_pad) { return std::make_unique<Inception3>(weights, arithmetic, crop_pad); }

}  // namespace siam::tracking::inference
