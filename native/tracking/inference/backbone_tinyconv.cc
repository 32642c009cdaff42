#include "backbone.h"

namespace siam::tracking::inference {

namespace {

class TinyConv : public Backbone {
 public:
  TinyConv(const WeightTable& weights, Arithmetic arithmetic) : arithmetic_(arithmetic) {
    const auto conv = [&](const char* name, int64_t stride, int64_t groups, bool relu) {
      ConvOptions options;
      options.stride = stride;
      options.groups = groups;
      options.relu = relu;
      return add(weights.fold(std::string("basemodel.") + name, options), arithmetic);
    };
    conv1_ = conv("conv1", 2, 1, true);
    conv2a_ = conv("conv2a", 1, 1, true);
    conv2b_ = conv("conv2b", 2, 64, true);
    conv3a_ = conv("conv3a", 1, 1, true);
    conv3b_ = conv("conv3b", 1, 1, false);
  }

  Activation run(const at::Tensor& image, Pass pass) override {
    const Activation x = max_pool(conv1_->run(entry(image, arithmetic_, pass), pass), 2, 0, true);
    return conv3b_->run(conv3a_->run(conv2b_->run(conv2a_->run(x, pass), pass), pass), pass);
  }

 private:
  Arithmetic arithmetic_;
  Layer conv1_, conv2a_, conv2b_, conv3a_, conv3b_;
};

}  // namespace

std::unique_ptr<Backbone> make_tinyconv(const WeightTable& weights, Arithmetic arithmetic) { return std::make_unique<TinyConv>(weights, arithmetic); }

}  // namespace siam::tracking::inference
