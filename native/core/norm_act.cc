#include "norm_act.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "../base/error.h"
#include "cuda/batch_norm.h"
#include "dispatch.h"
#include "kernels/batch_norm.h"
#include "synced_norm.h"

namespace siam::core {

namespace {

using kernels::BnGradCoefficients;
using kernels::BnGradInputs;
using kernels::kRowsPerBlock;
using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;
using torch::autograd::Variable;

struct Layout {
  bool rows;
  int64_t N, C, P, R, blocks;
  explicit Layout(const at::Tensor& x)
      : rows(is_interleaved(x)), N(x.size(0)), C(x.size(1)), P(x.size(2) * x.size(3)), R(N * P), blocks((R + kRowsPerBlock - 1) / kRowsPerBlock) {}
  at::MemoryFormat format() const { return rows ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous; }
};

/// Two sums for each channel: planar by channel, interleaved by fixed row blocks that are added up in order.
template <class Planar, class Rows>
void two_sums(const Layout& l, std::vector<double>& first, std::vector<double>& second, Planar planar, Rows rows) {
  first.assign(l.C, 0.0);
  second.assign(l.C, 0.0);
  if (!l.rows) {
    at::parallel_for(0, l.C, 1, [&](int64_t begin, int64_t end) { planar(begin, end, first.data(), second.data()); });
    return;
  }
  std::vector<double> partial(2 * l.blocks * l.C);
  at::parallel_for(0, l.blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; b++) {
      double* sums = partial.data() + 2 * b * l.C;
      rows(b * kRowsPerBlock, std::min(l.R, (b + 1) * kRowsPerBlock), sums, sums + l.C);
    }
  });
  for (int64_t b = 0; b < l.blocks; b++) {
    const double* sums = partial.data() + 2 * b * l.C;
    for (int64_t c = 0; c < l.C; c++) {
      first[c] += sums[c];
      second[c] += sums[l.C + c];
    }
  }
}

template <class Planar, class Rows>
void elementwise(const Layout& l, Planar planar, Rows rows) {
  if (!l.rows) {
    at::parallel_for(0, l.C, 1, planar);
  } else {
    at::parallel_for(0, l.R, kRowsPerBlock, rows);
  }
}

struct BatchNormAct : torch::autograd::Function<BatchNormAct> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x_in, const std::optional<at::Tensor>& conv_bias, const at::Tensor& weight, const at::Tensor& bias,
                            at::Tensor running_mean, at::Tensor running_var, bool training, double momentum, double eps, bool relu) {
    const Layout l(x_in);
    const at::Tensor x = x_in.contiguous(l.format());
    const auto options = weight.options().requires_grad(false);
    // Rows: scale, shift, mean, inverse standard deviation; mean is that of x without the convolution's bias.
    at::Tensor stats = at::empty({4, l.C}, options);
    float *scale = data<float>(stats), *shift = scale + l.C, *mean = shift + l.C, *inv_std = mean + l.C;
    const float *gamma = data<float>(weight), *beta = data<float>(bias);
    const float* offset = conv_bias.has_value() ? data<float>(*conv_bias) : nullptr;
    float *rm = data<float>(running_mean), *rv = data<float>(running_var);
    at::Tensor y = at::empty_like(x);
    const StatisticsExchangePtr exchange = training ? current_statistics_exchange() : nullptr;
    double count = static_cast<double>(l.R);
    dispatch_cpu(x, [&](auto tag) {
      using T = decltype(tag);
      const T* px = data<T>(x);
      T* py = data<T>(y);
      if (training) {
        std::vector<double> sum, square_sum;
        two_sums(
            l, sum, square_sum, [&](int64_t b, int64_t e, double* s, double* q) { kernels::bn_sums_planar(px, l.N, l.C, l.P, b, e, s, q); },
            [&](int64_t b, int64_t e, double* s, double* q) { kernels::bn_sums_rows(px, l.C, b, e, s, q); });
        if (exchange) count = exchange_two_sums(*exchange, sum, square_sum, count);
        for (int64_t c = 0; c < l.C; c++) {
          const double m = sum[c] / count;
          const double variance = std::max(0.0, square_sum[c] / count - m * m);
          mean[c] = static_cast<float>(m);
          inv_std[c] = static_cast<float>(1.0 / std::sqrt(variance + eps));
          const double unbiased = count > 1 ? variance * count / (count - 1) : variance;
          rm[c] = static_cast<float>(momentum * (m + (offset != nullptr ? offset[c] : 0.0f)) + (1 - momentum) * rm[c]);
          rv[c] = static_cast<float>(momentum * unbiased + (1 - momentum) * rv[c]);
        }
      } else {
        for (int64_t c = 0; c < l.C; c++) {
          mean[c] = rm[c];
          inv_std[c] = 1.0f / std::sqrt(rv[c] + static_cast<float>(eps));  // torch's rounding: see batch_norm_act
        }
      }
      for (int64_t c = 0; c < l.C; c++) {
        scale[c] = inv_std[c] * gamma[c];
        shift[c] = beta[c] - mean[c] * scale[c];
      }
      elementwise(
          l, [&](int64_t b, int64_t e) { kernels::bn_apply_planar(px, py, l.N, l.C, l.P, b, e, scale, shift, relu); },
          [&](int64_t b, int64_t e) { kernels::bn_apply_rows(px, py, l.C, b, e, scale, shift, relu); });
    });
    ctx->save_for_backward({x, weight, stats});
    ctx->saved_data["training"] = training;
    ctx->saved_data["relu"] = relu;
    ctx->saved_data["has_offset"] = conv_bias.has_value();
    ctx->saved_data["count"] = count;
    if (exchange) ctx->saved_data["exchange"] = c10::IValue::make_capsule(exchange);
    return y;
  }

  static tensor_list backward(AutogradContext* ctx, tensor_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &stats = saved[2];
    const bool training = ctx->saved_data["training"].toBool(), relu = ctx->saved_data["relu"].toBool();
    const Layout l(x);
    const at::Tensor dy = grads[0].contiguous(l.format());
    const float *scale = data<float>(stats), *shift = scale + l.C, *mean = shift + l.C, *inv_std = mean + l.C;
    const BnGradInputs in{scale, shift, mean, relu};
    at::Tensor dx = at::empty_like(x);
    const auto options = weight.options().requires_grad(false);
    at::Tensor d_weight = at::empty({l.C}, options), d_bias = at::empty({l.C}, options), d_offset;
    if (ctx->saved_data["has_offset"].toBool()) d_offset = at::zeros({l.C}, options);
    dispatch_cpu(x, [&](auto tag) {
      using T = decltype(tag);
      const T *px = data<T>(x), *pdy = data<T>(dy);
      T* pdx = data<T>(dx);
      std::vector<double> sum_g, sum_gx;
      two_sums(
          l, sum_g, sum_gx, [&](int64_t b, int64_t e, double* s, double* q) { kernels::bn_grad_sums_planar(pdy, px, l.N, l.C, l.P, b, e, in, s, q); },
          [&](int64_t b, int64_t e, double* s, double* q) { kernels::bn_grad_sums_rows(pdy, px, l.C, b, e, in, s, q); });
      std::vector<float> b_of(l.C, 0.0f), c_of(l.C, 0.0f);
      for (int64_t c = 0; c < l.C; c++) {
        data<float>(d_bias)[c] = static_cast<float>(sum_g[c]);
        data<float>(d_weight)[c] = static_cast<float>(sum_gx[c] * inv_std[c]);
      }
      // The parameters' gradients above stay this rank's: whoever averages gradients averages them, too.
      const auto exchange = ctx->saved_data.find("exchange");
      if (exchange != ctx->saved_data.end()) {
        exchange_two_sums(*c10::static_intrusive_pointer_cast<StatisticsExchange>(exchange->second.toCapsule()), sum_g, sum_gx, 0);
      }
      const double count = ctx->saved_data["count"].toDouble();
      for (int64_t c = 0; c < l.C; c++) {
        if (training) {
          const double slope = -static_cast<double>(scale[c]) * inv_std[c] * inv_std[c] * sum_gx[c] / count;
          b_of[c] = static_cast<float>(slope);
          c_of[c] = static_cast<float>(-static_cast<double>(scale[c]) * sum_g[c] / count - slope * mean[c]);
        }
      }
      const BnGradCoefficients k{scale, b_of.data(), c_of.data()};
      elementwise(
          l, [&](int64_t b, int64_t e) { kernels::bn_grad_apply_planar(pdy, px, pdx, l.N, l.C, l.P, b, e, in, k); },
          [&](int64_t b, int64_t e) { kernels::bn_grad_apply_rows(pdy, px, pdx, l.C, b, e, in, k); });
    });
    return {dx, d_offset, d_weight, d_bias, Variable(), Variable(), Variable(), Variable(), Variable(), Variable()};
  }
};

}  // namespace

namespace {

void check_values(const at::Tensor& x, bool training) {
  if (training && x.numel() / x.size(1) < 2) {
    throw SiamException("ERR_SHAPE", "batch_norm_act: expected more than one value per channel in training but received " + describe(x));
  }
}

}  // namespace

at::Tensor batch_norm_act(const at::Tensor& x, const std::optional<at::Tensor>& conv_bias, NormState& state, bool training, bool relu) {
  check_values(x, training);
  // In eval mode torch's planar kernel is as good, and rounds as the original does (the header says what one flipped activation costs).
  if (has_cpu_kernel(x) && (training || is_interleaved(x))) {
    return BatchNormAct::apply(x, conv_bias, state.weight, state.bias, state.running_mean, state.running_var, training, state.momentum, state.eps, relu);
  }
  if (training && current_statistics_exchange()) return synced_batch_norm_act(x, conv_bias, state, current_statistics_exchange(), relu);
  if (x.device().is_cuda()) {
    const at::Tensor y = cuda::batch_norm_act(x, conv_bias, state, training, relu);
    if (y.defined()) return y;
  }
  const at::Tensor biased = conv_bias.has_value() ? x + conv_bias->to(x.scalar_type()).reshape({1, -1, 1, 1}) : x;
  at::Tensor y = at::batch_norm(biased, state.weight, state.bias, state.running_mean, state.running_var, training, state.momentum, state.eps, true);
  return relu ? y.relu_() : y;
}

int64_t PoolShape::size(int64_t in) const {
  const int64_t out = (in + 2 * padding - 3 + (ceil ? 1 : 0)) / 2 + 1;
  return ceil && (out - 1) * 2 >= in + padding ? out - 1 : out;
}

at::Tensor batch_norm_relu_pool(const at::Tensor& x, const std::optional<at::Tensor>& conv_bias, NormState& state, bool training, const PoolShape& pool) {
  check_values(x, training);
  if (x.device().is_cuda() && !(training && current_statistics_exchange())) {
    const at::Tensor y = cuda::batch_norm_relu_pool(x, conv_bias, state, training, pool);
    if (y.defined()) return y;
  }
  return at::max_pool2d(batch_norm_act(x, conv_bias, state, training, true), {3, 3}, {2, 2}, {pool.padding, pool.padding}, {1, 1}, pool.ceil);
}

}  // namespace siam::core
