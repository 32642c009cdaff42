#include "xcorr.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "../base/error.h"
#include "cuda/xcorr.h"
#include "dispatch.h"
#include "kernels/xcorr.h"

namespace siam::core {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

kernels::XcorrSizes sizes_of(const at::Tensor& x, const at::Tensor& k) {
  return {x.size(1), x.size(2), x.size(3), k.size(2), k.size(3), x.size(2) - k.size(2) + 1, x.size(3) - k.size(3) + 1};
}

struct XcorrFunction : torch::autograd::Function<XcorrFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x_in, const at::Tensor& k_in) {
    const bool rows = is_interleaved(x_in);
    const auto format = rows ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
    const at::Tensor x = x_in.contiguous(format), k = k_in.contiguous(format);
    const auto sizes = sizes_of(x, k);
    at::Tensor out = at::empty({x.size(0), sizes.C, sizes.oh, sizes.ow}, x.options().memory_format(format));
    dispatch_cpu(x, [&](auto tag) {
      using T = decltype(tag);
      const T *px = data<T>(x), *pk = data<T>(k);
      T* po = data<T>(out);
      if (rows) {
        at::parallel_for(0, x.size(0) * kernels::xcorr_chunks(sizes), 1, [&](int64_t begin, int64_t end) { kernels::xcorr_rows(px, pk, po, sizes, begin, end); });
      } else {
        at::parallel_for(0, x.size(0) * sizes.C, 16, [&](int64_t begin, int64_t end) { kernels::xcorr_planar(px, pk, po, sizes, begin, end); });
      }
    });
    ctx->save_for_backward({x, k});
    return out;
  }

  static tensor_list backward(AutogradContext* ctx, tensor_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &k = saved[1];
    const bool rows = is_interleaved(x);
    const auto format = rows ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
    const at::Tensor g = grads[0].contiguous(format);
    const auto sizes = sizes_of(x, k);
    at::Tensor dx = at::empty_like(x), dk = at::empty_like(k);
    dispatch_cpu(x, [&](auto tag) {
      using T = decltype(tag);
      const T *px = data<T>(x), *pk = data<T>(k), *pg = data<T>(g);
      T *pdx = data<T>(dx), *pdk = data<T>(dk);
      if (rows) {
        at::parallel_for(0, x.size(0), 1, [&](int64_t begin, int64_t end) { kernels::xcorr_grad_rows(px, pk, pg, pdx, pdk, sizes, begin, end); });
      } else {
        at::parallel_for(0, x.size(0) * sizes.C, 16,
                         [&](int64_t begin, int64_t end) { kernels::xcorr_grad_planar(px, pk, pg, pdx, pdk, sizes, begin, end); });
      }
    });
    return {dx, dk};
  }
};

}  // namespace

at::Tensor xcorr_depthwise(const at::Tensor& x, const at::Tensor& k) {
  if (x.dim() != 4 || k.dim() != 4 || x.size(0) != k.size(0) || x.size(1) != k.size(1) || x.size(2) < k.size(2) || x.size(3) < k.size(3) ||
      x.scalar_type() != k.scalar_type() || x.device() != k.device()) {
    throw SiamException("ERR_SHAPE", "xcorr_depthwise: expected x [N,C,Hx,Wx] and k [N,C,Hk,Wk] of one dtype and device with Hk <= Hx, Wk <= Wx but received " +
                                         describe(x) + " and " + describe(k));
  }
  if (has_cpu_kernel(x)) return XcorrFunction::apply(x, k);
  if (x.device().is_cuda()) {
    const at::Tensor out = cuda::xcorr_depthwise(x, k);
    if (out.defined()) return out;
  }
  const int64_t groups = x.size(0) * x.size(1);
  const std::array<int64_t, 2> one{1, 1}, zero{0, 0};
  const at::Tensor out = at::conv2d(x.reshape({1, groups, x.size(2), x.size(3)}), k.reshape({groups, 1, k.size(2), k.size(3)}), std::nullopt, at::IntArrayRef(one), at::IntArrayRef(zero), at::IntArrayRef(one), groups);
  return out.reshape({x.size(0), x.size(1), out.size(2), out.size(3)});
}

}  // namespace siam::core
