// Times one stage of the training step on a device, with our CUDA kernels or without, for bench/cuda-kernels.ts.
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/autograd/autograd.h>

#include <chrono>
#include <functional>

#include "../base/error.h"
#include "../core/backbone.h"
#include "../core/cuda/image.h"
#include "../core/cuda/jit.h"
#include "../core/losses.h"
#include "../core/stem_fold.h"
#include "../core/xcorr.h"
#include "convert.h"
#include "cuda_kernels.h"
#include "tensor.h"

namespace siam::binding {

namespace {

struct Spec {
  std::string stage, dtype;
  at::Device device = at::kCPU;
  bool kernels = true;
  int64_t repetitions = 1;
  std::vector<int64_t> size;
};

/// A stage: what it computes, and what its gradient is asked for (nothing where it has none).
struct Stage {
  std::function<at::Tensor()> forward;
  std::vector<at::Tensor> inputs;
};

/// Kernels on or off for a while.
class Switch {
 public:
  explicit Switch(bool on) : before_(core::cuda::enabled()) { core::cuda::set_enabled(on); }
  ~Switch() { core::cuda::set_enabled(before_); }

 private:
  bool before_;
};

at::Tensor leaf(const at::Tensor& tensor) { return tensor.detach().requires_grad_(true); }

Stage norm_stage(const Spec& s, at::TensorOptions options, bool pooled) {
  const int64_t C = s.size[1];
  const auto wide = options.dtype(at::kFloat);
  const at::Tensor x = leaf(at::randn(s.size, options).contiguous(at::MemoryFormat::ChannelsLast)), weight = leaf(at::ones({C}, wide)), bias = leaf(at::zeros({C}, wide));
  const auto state = std::make_shared<core::NormState>(core::NormState{weight, bias, at::zeros({C}, wide), at::ones({C}, wide)});
  return {[=] {
            return pooled ? core::batch_norm_relu_pool(x, std::nullopt, *state, true, {0, true}) : core::batch_norm_act(x, std::nullopt, *state, true, true);
          },
          {x, weight, bias}};
}

/// size: N, C, H, W, h, w
Stage xcorr_stage(const Spec& s, at::TensorOptions options) {
  const auto made = [&](int64_t h, int64_t w) { return leaf(at::randn({s.size[0], s.size[1], h, w}, options).contiguous(at::MemoryFormat::ChannelsLast)); };
  const at::Tensor x = made(s.size[2], s.size[3]), k = made(s.size[4], s.size[5]);
  return {[=] { return core::xcorr_depthwise(x, k); }, {x, k}};
}

/// AlexNet's image, and the first convolution over it in several forms. size: N, 3, H, W
Stage entry_stage(const Spec& s, at::TensorOptions options) {
  const at::Tensor image = at::randint(0, 256, s.size, options.dtype(at::kByte));
  const at::ScalarType dtype = options.dtype().toScalarType();
  const auto prepared = [=](bool fold) {
    const core::ComputeMode mode{dtype, at::MemoryFormat::ChannelsLast, fold};
    const at::Tensor ours = core::cuda::image(image, mode, {});
    if (ours.defined()) return ours;
    return fold ? core::fold_image(image, dtype) : image.to(dtype).contiguous(at::MemoryFormat::ChannelsLast);
  };
  if (s.stage == "image" || s.stage == "image_folded") return {[=, fold = s.stage == "image_folded"] { return prepared(fold); }, {}};
  const at::Tensor weight = leaf(at::randn({96, 3, 11, 11}, options).mul_(0.01).contiguous(at::MemoryFormat::ChannelsLast));
  if (s.stage == "entry_folded") return {[=] { return at::conv2d(prepared(true), core::fold_weight(weight)); }, {weight}};
  const int64_t channels = s.stage == "entry_4" ? 4 : s.stage == "entry_8" ? 8 : 3;
  return {[=] {
            const at::Tensor x = channels == 3 ? prepared(false) : core::cuda::image_pixels(image, dtype, {}, channels);
            const at::Tensor wide = channels == 3 ? weight : at::constant_pad_nd(weight, {0, 0, 0, 0, 0, channels - 3}).contiguous(at::MemoryFormat::ChannelsLast);
            return at::conv2d(x, wide, {}, 2);
          },
          {weight}};
}

/// All three losses of AlexNet's configuration. size: N, S²
Stage loss_stage(const Spec& s, at::TensorOptions options) {
  const auto wide = options.dtype(at::kFloat);
  const auto scores = [&] { return leaf(at::randn({s.size[0], s.size[1], 1}, wide)); };
  const at::Tensor cls = scores(), ctr = scores(), near = at::rand({s.size[0], s.size[1], 4}, wide);
  const at::Tensor corner = at::tensor({0.0f, 0.0f, 60.0f, 60.0f}, at::TensorOptions().dtype(at::kFloat)).to(s.device);
  const at::Tensor box = leaf(corner + 20 * near);
  const auto in = std::make_shared<core::TensorMap>(core::TensorMap{{"cls_pred", cls},
                                                                    {"ctr_pred", ctr},
                                                                    {"box_pred", box},
                                                                    {"cls_gt", at::randint(-1, 2, {s.size[0], s.size[1], 1}, wide)},
                                                                    {"ctr_gt", at::rand({s.size[0], s.size[1], 1}, wide)},
                                                                    {"box_gt", (corner + 20 * at::rand_like(near)).detach()}});
  const std::shared_ptr<core::Loss> focal = core::make_focal_loss({1, 0.75, 2}), centre = core::make_sigmoid_ce_centerness(1), iou = core::make_iou_loss(3);
  return {[=] { return focal->forward(*in).loss + centre->forward(*in).loss + iou->forward(*in).loss; }, {cls, ctr, box}};
}

Stage stage_of(const Spec& s) {
  const auto options = at::TensorOptions().device(s.device).dtype(dtype_from_name(s.dtype));
  if (s.stage == "norm") return norm_stage(s, options, false);
  if (s.stage == "norm_pool") return norm_stage(s, options, true);
  if (s.stage == "xcorr") return xcorr_stage(s, options);
  if (s.stage == "losses") return loss_stage(s, options);
  return entry_stage(s, options);
}

struct Times {
  double forward = 0, both = 0;
};

Times measure(const Spec& s) {
  const Switch kernels(s.kernels);
  const Stage stage = stage_of(s);
  const c10::impl::VirtualGuardImpl guard(s.device.type());
  const auto seconds = [&](const std::function<void()>& body) {
    for (int i = 0; i < 3; i++) body();  // compiles, chooses algorithms, fills the allocator's cache
    if (!s.device.is_cpu()) guard.synchronizeDevice(s.device.index());
    const auto start = std::chrono::steady_clock::now();
    for (int64_t i = 0; i < s.repetitions; i++) body();
    if (!s.device.is_cpu()) guard.synchronizeDevice(s.device.index());
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / static_cast<double>(s.repetitions);
  };
  Times times;
  times.forward = seconds([&] { stage.forward(); });
  if (stage.inputs.empty()) return times;
  const at::Tensor probe = stage.forward(), gradient = probe.dim() == 0 ? at::ones_like(probe) : at::randn_like(probe);
  times.both = seconds([&] { torch::autograd::grad({stage.forward()}, stage.inputs, {gradient}); });
  return times;
}

}  // namespace

Napi::Value time_cuda_kernel(const Napi::CallbackInfo& info) {
  const auto given = info[0].As<Napi::Object>();
  Spec spec{text(given, "stage"), text(given, "dtype"), at::Device(text(given, "device")), boolean(given, "kernels"), number<int64_t>(given, "repetitions"),
            shape_from_js(given.Get("size"))};
  return AddonEnv::of(info.Env()).run<Times>(
      info.Env(), "timeCudaKernel", [spec] { return measure(spec); },
      [](Napi::Env env, Times& times) -> Napi::Value {
        auto object = Napi::Object::New(env);
        object.Set("forwardSeconds", times.forward);
        object.Set("bothSeconds", times.both > 0 ? Napi::Value(Napi::Number::New(env, times.both)) : env.Null());
        return object;
      });
}

}  // namespace siam::binding
