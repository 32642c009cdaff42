#include "backbone.h"

namespace siam::tracking::inference {

namespace {

class AlexNet : public Backbone {
 public:
  AlexNet(const WeightTable& weights, Arithmetic arithmetic) : arithmetic_(arithmetic) {
    const auto conv = [&](const char* name, int64_t stride, bool relu) {
      ConvOptions options;
      options.stride = stride;
      options.relu = relu;
      return add(weights.fold(std::string("basemodel.") + name, options), arithmetic);
    };
    conv1_ = conv("conv1", 2, true);
    conv2_ = conv("conv2", 1, true);
    conv3_ = conv("conv3", 1, true);
    conv4_ = conv("conv4", 1, true);
    conv5_ = conv("conv5", 1, false);
  }

  Activation run(const at::Tensor& image, Pass pass) override {
    Activation x = max_pool(conv1_->run(entry(image, arithmetic_, pass), pass), 2, 0, true);
    x = max_pool(conv2_->run(x, pass), 2, 0, true);
    return conv5_->run(conv4_->run(conv3_->run(x, pass), pass), pass);
  }

 private:
  Arithmetic arithmetic_;
  Layer conv1_, conv2_, conv3_, conv4_, conv5_;
};

}  // namespace

std::unique_ptr<Backbone> make_alexnet(const WeightTable& weights, Arithmetic arithmetic) { return std::make_unique<AlexNet>(weights, arithmetic); }

}  // namespace siam::tracking::inference
