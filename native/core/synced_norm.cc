#include "synced_norm.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

namespace siam::core {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;
using torch::autograd::Variable;

const std::vector<int64_t> kAllButChannels{0, 2, 3};

/// [C] for broadcasting against [N,C,H,W].
at::Tensor by_channel(const at::Tensor& values) { return values.to(at::kFloat).view({1, -1, 1, 1}); }

/// Two sums [C] over this rank's values, exchanged in one go. @returns how many values all ranks have, a scalar on the device
at::Tensor exchanged(StatisticsExchange& exchange, at::Tensor& first, at::Tensor& second, int64_t count) {
  const int64_t channels = first.numel();
  const at::Tensor all = at::cat({first.to(at::kDouble), second.to(at::kDouble), at::full({1}, static_cast<double>(count), first.options().dtype(at::kDouble))});
  exchange.sum(all);
  first = all.narrow(0, 0, channels);
  second = all.narrow(0, channels, channels);
  return all.narrow(0, 2 * channels, 1);
}

struct SyncedBatchNormAct : torch::autograd::Function<SyncedBatchNormAct> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const std::optional<at::Tensor>& conv_bias, const at::Tensor& weight, const at::Tensor& bias, at::Tensor running_mean,
                            at::Tensor running_var, c10::intrusive_ptr<StatisticsExchange> exchange, double momentum, double eps, bool relu) {
    const int64_t local = x.numel() / x.size(1);
    // Not Σx²: torch adds up in float32, where a variance out of it would lose what var_mean keeps.
    const auto [variance_here, mean_here] = at::var_mean(x.to(at::kFloat), kAllButChannels, /*correction=*/0);
    const at::Tensor mean64 = mean_here.to(at::kDouble);
    at::Tensor sum = mean64 * local, square_sum = (variance_here.to(at::kDouble) + mean64 * mean64) * local;
    const at::Tensor count = exchanged(*exchange, sum, square_sum, local);
    const at::Tensor mean = sum / count;
    const at::Tensor variance = (square_sum / count - mean * mean).clamp_min(0);
    const at::Tensor inv_std = (variance + eps).rsqrt();
    const at::Tensor seen_mean = conv_bias.has_value() ? mean + conv_bias->detach() : mean;
    running_mean.mul_(1 - momentum).add_(seen_mean.to(running_mean.scalar_type()), momentum);
    running_var.mul_(1 - momentum).add_((variance * count / (count - 1).clamp_min(1)).to(running_var.scalar_type()), momentum);
    const at::Tensor scale = inv_std * weight.detach(), shift = bias.detach() - mean * scale;
    at::Tensor y = (x * by_channel(scale) + by_channel(shift)).to(x.scalar_type());
    if (relu) y.relu_();
    ctx->save_for_backward({x, y, mean, inv_std, scale, count});
    ctx->saved_data["exchange"] = c10::IValue::make_capsule(exchange);
    ctx->saved_data["relu"] = relu;
    ctx->saved_data["has_offset"] = conv_bias.has_value();
    return y;
  }

  static tensor_list backward(AutogradContext* ctx, tensor_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &y = saved[1], &mean = saved[2], &inv_std = saved[3], &scale = saved[4], &count = saved[5];
    const auto exchange = c10::static_intrusive_pointer_cast<StatisticsExchange>(ctx->saved_data["exchange"].toCapsule());
    at::Tensor g = grads[0].to(at::kFloat);
    if (ctx->saved_data["relu"].toBool()) g = at::where(y > 0, g, at::zeros({}, g.options()));
    const at::Tensor centred = x.to(at::kFloat) - by_channel(mean);
    at::Tensor sum_g = g.sum(kAllButChannels), sum_gx = (g * centred).sum(kAllButChannels);
    // Gradients of the parameters stay this rank's: whoever averages gradients averages these, too.
    const at::Tensor d_bias = sum_g.to(at::kFloat), d_weight = (sum_gx.to(at::kDouble) * inv_std).to(at::kFloat);
    exchanged(*exchange, sum_g, sum_gx, 0);
    const at::Tensor slope = -scale * inv_std * inv_std * sum_gx / count;
    const at::Tensor level = -scale * sum_g / count;
    const at::Tensor dx = (g * by_channel(scale) + centred * by_channel(slope) + by_channel(level)).to(x.scalar_type());
    at::Tensor d_offset;
    if (ctx->saved_data["has_offset"].toBool()) d_offset = at::zeros_like(d_bias);
    return {dx, d_offset, d_weight, d_bias, Variable(), Variable(), Variable(), Variable(), Variable(), Variable()};
  }
};

}  // namespace

double exchange_two_sums(StatisticsExchange& exchange, std::vector<double>& first, std::vector<double>& second, double count) {
  const size_t channels = first.size();
  std::vector<double> all(first);
  all.insert(all.end(), second.begin(), second.end());
  all.push_back(count);
  exchange.sum(at::from_blob(all.data(), {static_cast<int64_t>(all.size())}, at::kDouble));
  std::copy_n(all.begin(), channels, first.begin());
  std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(channels), channels, second.begin());
  return all.back();
}

at::Tensor synced_batch_norm_act(const at::Tensor& x, const std::optional<at::Tensor>& conv_bias, NormState& state, const StatisticsExchangePtr& exchange, bool relu) {
  return SyncedBatchNormAct::apply(x, conv_bias, state.weight, state.bias, state.running_mean, state.running_var, exchange, state.momentum, state.eps, relu);
}

}  // namespace siam::core
