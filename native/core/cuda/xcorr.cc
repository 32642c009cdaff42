#include "xcorr.h"

#include <torch/csrc/autograd/custom_function.h>

#include <limits>

#include "jit.h"

namespace siam::core::cuda {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

constexpr int kLanes = 32;
constexpr int64_t kMostTaps = 64;  // more do not fit into a thread's registers


/// Two 16-bit channels or one float32 to a thread: neighbouring threads read whole 128 bytes, and the template's taps stay in registers.
Variant variant_of(const at::Tensor& x, const at::Tensor& k) {
  const int vector = x.scalar_type() != at::kFloat && x.size(1) % 2 == 0 ? 2 : 1;
  return {"xcorr", x.scalar_type(), vector, static_cast<int>(k.size(2)), static_cast<int>(k.size(3))};
}

at::Tensor like(const at::Tensor& x, at::IntArrayRef size) { return at::empty(size, x.options().memory_format(at::MemoryFormat::ChannelsLast)); }

struct Xcorr : torch::autograd::Function<Xcorr> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x_in, const at::Tensor& k_in) {
    const at::Tensor x = arranged(x_in, at::MemoryFormat::ChannelsLast), k = arranged(k_in, at::MemoryFormat::ChannelsLast);
    const Variant variant = variant_of(x, k);
    const int64_t N = x.size(0), C = x.size(1), OH = x.size(2) - k.size(2) + 1, OW = x.size(3) - k.size(3) + 1, total = N * OH * (C / variant.vector);
    at::Tensor out = like(x, {N, C, OH, OW});
    loaded_module(variant, x.device())
        .launch("xcorr", ceil_div(total, kThreads), 1, kThreads, x.data_ptr(), k.data_ptr(), out.data_ptr(), static_cast<unsigned>(total), static_cast<int>(C),
                static_cast<int>(x.size(2)), static_cast<int>(x.size(3)));
    ctx->save_for_backward({x, k});
    return out;
  }

  static tensor_list backward(AutogradContext* ctx, tensor_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &k = saved[1];
    const at::Tensor g = arranged(grads[0], at::MemoryFormat::ChannelsLast);
    const Variant variant = variant_of(x, k);
    const Module& module = loaded_module(variant, x.device());
    const int64_t N = x.size(0), C = x.size(1);
    const int c = static_cast<int>(C), H = static_cast<int>(x.size(2)), W = static_cast<int>(x.size(3));
    at::Tensor dx, dk;
    if (ctx->needs_input_grad(0)) {
      dx = like(x, x.sizes());
      const int64_t total = N * x.size(2) * (C / variant.vector);
      module.launch("xcorr_grad_x", ceil_div(total, kThreads), 1, kThreads, g.data_ptr(), k.data_ptr(), dx.data_ptr(), static_cast<unsigned>(total), c, H, W);
    }
    if (ctx->needs_input_grad(1)) {
      dk = like(k, k.sizes());
      module.launch("xcorr_grad_k", N * ceil_div(C / variant.vector, kLanes), 1, kThreads, g.data_ptr(), x.data_ptr(), dk.data_ptr(), c, H, W);
    }
    return {dx, dk};
  }
};

}  // namespace

at::Tensor xcorr_depthwise(const at::Tensor& x, const at::Tensor& k) {
  if (!takes(x) || k.size(2) * k.size(3) > kMostTaps || x.numel() >= std::numeric_limits<int>::max()) return {};
  if (module_for(variant_of(x, k), x.device()) == nullptr) return {};
  const at::Tensor out = Xcorr::apply(x, k);
  return x.is_contiguous(at::MemoryFormat::ChannelsLast) ? out : out.contiguous();
}

}  // namespace siam::core::cuda
