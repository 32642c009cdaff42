#include "batch_norm.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <limits>

#include "jit.h"

namespace siam::core::cuda {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;
using torch::autograd::Variable;

constexpr int kPoolThreads = 128;
constexpr int kChannelsPerBlock = 8;  // of the kernels that add up partial sums
constexpr int kStrip = 4;
// Blocks of a pass: four (three where registers are scarcer) for each of 132 multiprocessors, whatever the card, so that sums are the same on all.
constexpr int64_t kForwardBlocks = 528, kBackwardBlocks = 396;

template <class T>
T* data(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.data_ptr());
}
void* raw(const at::Tensor& tensor) { return tensor.defined() ? tensor.data_ptr() : nullptr; }

/// How rows x [R,C] are shared out: see kernels/batch_norm.cu.
struct Grid {
  int vector, lanes;
  int64_t R, C, chunks, blocks;
  Grid(const at::Tensor& x, int64_t most) : vector(vector_of(x.size(1), x.scalar_type())), R(x.numel() / x.size(1)), C(x.size(1)) {
    const int64_t vectors = C / vector;
    chunks = ceil_div(vectors, 64);
    lanes = static_cast<int>(ceil_div(vectors, chunks));
    const int64_t rows = kThreads / lanes;
    blocks = std::clamp<int64_t>(ceil_div(R, 4 * rows), 1, std::max<int64_t>(1, most / chunks));
  }
};

Variant variant_of(const char* family, const at::Tensor& x) { return {family, x.scalar_type(), vector_of(x.size(1), x.scalar_type())}; }
const Module& loaded(const char* family, const at::Tensor& x) { return loaded_module(variant_of(family, x), x.device()); }
bool can_load(const char* family, const at::Tensor& x) { return module_for(variant_of(family, x), x.device()) != nullptr; }

bool takes_norm(const at::Tensor& x, const NormState& state) {
  return takes(x) && x.dim() == 4 && x.is_contiguous(at::MemoryFormat::ChannelsLast) && state.weight.scalar_type() == at::kFloat && state.weight.device() == x.device() &&
         x.size(1) <= std::numeric_limits<int>::max() / 64;
}

struct NormTensors {
  at::Tensor weight, bias, running_mean, running_var, offset;
  double momentum, eps;
};

/// stats [4,C] (scale, shift, mean, inverse standard deviation) of x's batch, or of the running statistics.
at::Tensor statistics(const Module& module, const at::Tensor& x, const NormTensors& t, bool training) {
  const Grid grid(x, kForwardBlocks);
  at::Tensor stats = at::empty({4, grid.C}, t.weight.options().requires_grad(false));
  const int C = static_cast<int>(grid.C);
  if (!training) {
    module.launch("bn_running_statistics", ceil_div(C, kThreads), 1, kThreads, C, raw(t.weight), raw(t.bias), raw(t.running_mean), raw(t.running_var), t.eps, raw(stats));
    return stats;
  }
  const at::Tensor partial = at::empty({grid.blocks, 2, grid.C}, stats.options().dtype(at::kDouble));
  module.launch("bn_sums", grid.blocks, grid.chunks, kThreads, raw(x), static_cast<long long>(grid.R), C, grid.lanes, raw(partial));
  module.launch("bn_statistics", ceil_div(C, kChannelsPerBlock), 1, kThreads, raw(partial), static_cast<int>(grid.blocks), C, static_cast<double>(grid.R), raw(x), raw(t.weight),
                raw(t.bias), raw(t.offset), raw(t.running_mean), raw(t.running_var), t.momentum, t.eps, raw(stats));
  return stats;
}

struct NormGradients {
  at::Tensor d_weight, d_bias, d_offset, coefficients;
};

/// @param dy, x  gradient and input of those places alone that may have one (all, or the windows' winners)     @param count  values of a channel
NormGradients parameter_gradients(const Module& module, const at::Tensor& dy, const at::Tensor& x, const at::Tensor& stats, double count, bool training, bool relu, bool has_offset) {
  const Grid grid(x, kBackwardBlocks);
  const int C = static_cast<int>(grid.C);
  const auto options = stats.options();
  NormGradients g{at::empty({C}, options), at::empty({C}, options), has_offset ? at::empty({C}, options) : at::Tensor(), at::empty({2, C}, options)};
  const at::Tensor partial = at::empty({grid.blocks, 2, grid.C}, options.dtype(at::kDouble));
  module.launch("bn_grad_sums", grid.blocks, grid.chunks, kThreads, raw(dy), raw(x), static_cast<long long>(grid.R), C, grid.lanes, raw(stats), static_cast<int>(relu), raw(partial));
  module.launch("bn_grad_coefficients", ceil_div(C, kChannelsPerBlock), 1, kThreads, raw(partial), static_cast<int>(grid.blocks), C, count, raw(stats), static_cast<int>(training),
                raw(g.d_weight), raw(g.d_bias), raw(g.d_offset), raw(g.coefficients));
  return g;
}

NormTensors tensors_of(const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& running_mean, const at::Tensor& running_var, const std::optional<at::Tensor>& offset,
                       double momentum, double eps) {
  return {weight.contiguous(), bias.contiguous(), running_mean, running_var, offset.has_value() ? offset->contiguous() : at::Tensor(), momentum, eps};
}

void remember(AutogradContext* ctx, bool training, bool relu, bool has_offset) {
  ctx->saved_data["training"] = training;
  ctx->saved_data["relu"] = relu;
  ctx->saved_data["has_offset"] = has_offset;
}

struct NormAct : torch::autograd::Function<NormAct> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x_in, const std::optional<at::Tensor>& conv_bias, const at::Tensor& weight, const at::Tensor& bias,
                            at::Tensor running_mean, at::Tensor running_var, bool training, double momentum, double eps, bool relu) {
    const at::Tensor x = arranged(x_in, at::MemoryFormat::ChannelsLast);
    const Module& module = loaded("batch_norm", x);
    const at::Tensor stats = statistics(module, x, tensors_of(weight, bias, running_mean, running_var, conv_bias, momentum, eps), training);
    at::Tensor y = at::empty(x.sizes(), x.options().memory_format(at::MemoryFormat::ChannelsLast));
    const Grid grid(x, kForwardBlocks);
    module.launch("bn_apply", grid.blocks, grid.chunks, kThreads, raw(x), raw(y), static_cast<long long>(grid.R), static_cast<int>(grid.C), grid.lanes, raw(stats),
                  static_cast<int>(relu));
    ctx->save_for_backward({x, stats});
    remember(ctx, training, relu, conv_bias.has_value());
    return y;
  }

  static tensor_list backward(AutogradContext* ctx, tensor_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &stats = saved[1];
    const bool training = ctx->saved_data["training"].toBool(), relu = ctx->saved_data["relu"].toBool();
    const at::Tensor dy = arranged(grads[0], at::MemoryFormat::ChannelsLast);
    const Module& module = loaded("batch_norm", x);
    const Grid grid(x, kBackwardBlocks);
    const NormGradients g = parameter_gradients(module, dy, x, stats, static_cast<double>(grid.R), training, relu, ctx->saved_data["has_offset"].toBool());
    at::Tensor dx;
    if (ctx->needs_input_grad(0)) {
      dx = at::empty(x.sizes(), x.options().memory_format(at::MemoryFormat::ChannelsLast));
      module.launch("bn_grad_apply", grid.blocks, grid.chunks, kThreads, raw(dy), raw(x), raw(dx), static_cast<long long>(grid.R), static_cast<int>(grid.C), grid.lanes, raw(stats),
                    raw(g.coefficients), static_cast<int>(relu));
    }
    return {dx, g.d_offset, g.d_weight, g.d_bias, Variable(), Variable(), Variable(), Variable(), Variable(), Variable()};
  }
};

struct NormPool : torch::autograd::Function<NormPool> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x_in, const std::optional<at::Tensor>& conv_bias, const at::Tensor& weight, const at::Tensor& bias,
                            at::Tensor running_mean, at::Tensor running_var, bool training, double momentum, double eps, int64_t pad, int64_t OH, int64_t OW, bool wants_gradient) {
    const at::Tensor x = arranged(x_in, at::MemoryFormat::ChannelsLast);
    const at::Tensor stats = statistics(loaded("batch_norm", x), x, tensors_of(weight, bias, running_mean, running_var, conv_bias, momentum, eps), training);
    const auto options = x.options().memory_format(at::MemoryFormat::ChannelsLast);
    const std::array<int64_t, 4> size{x.size(0), x.size(1), OH, OW};
    at::Tensor y = at::empty(size, options), winner, index;
    if (wants_gradient) {
      winner = at::empty(size, options);
      index = at::empty(size, options.dtype(at::kByte));
    }
    const int64_t total = x.size(0) * ceil_div(OH, kStrip) * OW * (x.size(1) / vector_of(x.size(1), x.scalar_type()));
    loaded("norm_pool", x).launch("norm_pool", ceil_div(total, kPoolThreads), 1, kPoolThreads, raw(x), raw(y), raw(winner), raw(index), static_cast<unsigned>(total),
                                  static_cast<int>(x.size(2)), static_cast<int>(x.size(3)), static_cast<int>(x.size(1)), static_cast<int>(OH), static_cast<int>(OW),
                                  static_cast<int>(pad), raw(stats));
    if (wants_gradient) ctx->save_for_backward({x, stats, winner, index});
    remember(ctx, training, true, conv_bias.has_value());
    ctx->saved_data["pad"] = pad;
    return y;
  }

  static tensor_list backward(AutogradContext* ctx, tensor_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &stats = saved[1], &winner = saved[2], &index = saved[3];
    const int64_t H = x.size(2), W = x.size(3), C = x.size(1), pad = ctx->saved_data["pad"].toInt();
    const at::Tensor dy = arranged(grads[0], at::MemoryFormat::ChannelsLast);
    const int vector = vector_of(C, x.scalar_type());
    // The sums need the winners alone: no other place has a gradient.
    const NormGradients g =
        parameter_gradients(loaded("batch_norm", x), dy, winner, stats, static_cast<double>(x.numel() / C),
                            ctx->saved_data["training"].toBool(), /*relu=*/true, ctx->saved_data["has_offset"].toBool());
    at::Tensor dx;
    if (ctx->needs_input_grad(0)) {
      dx = at::empty(x.sizes(), x.options().memory_format(at::MemoryFormat::ChannelsLast));
      const int64_t total = x.size(0) * ((H - 1 + pad) / 2 + 1) * ((W - 1 + pad) / 2 + 1) * (C / vector);
      loaded("norm_pool", x)
          .launch("norm_pool_grad", ceil_div(total, kPoolThreads), 1, kPoolThreads, raw(dy), raw(index), raw(x), raw(dx), static_cast<unsigned>(total), static_cast<int>(H),
                   static_cast<int>(W), static_cast<int>(C), static_cast<int>(dy.size(2)), static_cast<int>(dy.size(3)), static_cast<int>(pad), raw(stats), raw(g.coefficients));
    }
    tensor_list result(13);
    result[0] = dx;
    result[1] = g.d_offset;
    result[2] = g.d_weight;
    result[3] = g.d_bias;
    return result;
  }
};

}  // namespace

at::Tensor batch_norm_act(const at::Tensor& x, const std::optional<at::Tensor>& conv_bias, NormState& state, bool training, bool relu) {
  if (!takes_norm(x, state) || !can_load("batch_norm", x)) return {};
  return NormAct::apply(x, conv_bias, state.weight, state.bias, state.running_mean, state.running_var, training, state.momentum, state.eps, relu);
}

at::Tensor batch_norm_relu_pool(const at::Tensor& x, const std::optional<at::Tensor>& conv_bias, NormState& state, bool training, const PoolShape& pool) {
  // A thread counts its place in 32 bits.
  if (!takes_norm(x, state) || x.numel() >= std::numeric_limits<unsigned>::max() || x.size(2) + pool.padding < 3 || x.size(3) + pool.padding < 3) return {};
  if (!can_load("batch_norm", x) || !can_load("norm_pool", x)) return {};
  const bool wants_gradient = at::GradMode::is_enabled() && (x.requires_grad() || state.weight.requires_grad() || state.bias.requires_grad());
  return NormPool::apply(x, conv_bias, state.weight, state.bias, state.running_mean, state.running_var, training, state.momentum, state.eps, pool.padding, pool.size(x.size(2)),
                         pool.size(x.size(3)), wants_gradient);
}

}  // namespace siam::core::cuda
