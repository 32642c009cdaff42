// Included after variant.h in a variant's namespace: BatchNorm, ReLU and pooling against float64.

struct NormCase {
  int N, H, W, C, blocks;
  bool training, relu;
  float centre;  // of x: far from 0, naive sums would cancel
};

static void check_norm(const char* variant, const NormCase& k, double bound) {
  const std::string what = std::string(variant) + " norm " + std::to_string(k.N * k.H * k.W) + "x" + std::to_string(k.C) + (k.training ? " training" : " eval");
  const long long R = static_cast<long long>(k.N) * k.H * k.W;
  const int C = k.C, vectors = C / V, chunks = (vectors + 63) / 64, lanes = (vectors + chunks - 1) / chunks, groups = (C + 7) / 8, relu = k.relu;
  std::vector<Element> x(R * C), dy(R * C);
  for (auto& e : x) e = element(k.centre + draw_number());
  for (auto& e : dy) e = element(draw_number());
  std::vector<float> weight(C), bias(C), offset(C), mean(C), var(C);
  for (int c = 0; c < C; c++) {
    weight[c] = 0.2f + std::fabs(draw_number()) * (c % 3 == 1 ? -1.0f : 1.0f);
    bias[c] = 0.3f * draw_number();
    offset[c] = draw_number();
    mean[c] = k.centre + 0.1f * draw_number();
    var[c] = 0.5f + 0.2f * draw_number();
  }
  const std::vector<float> old_mean = mean, old_var = var;
  Result<float> stats(4 * C), d_weight(C), d_bias(C), d_offset(C), coefficients(2 * C);
  Result<double> partial(k.blocks * 2 * C);
  Result<Element> y(R * C), dx(R * C);
  if (k.training) {
    emulation::launch(k.blocks, chunks, 256, [&] { bn_sums(x.data(), R, C, lanes, partial.data()); });
    emulation::launch(groups, 1, 256, [&] {
      bn_statistics(partial.data(), k.blocks, C, static_cast<double>(R), x.data(), weight.data(), bias.data(), offset.data(), mean.data(), var.data(), 0.1, 1e-5, stats.data());
    });
  } else {
    emulation::launch((C + 255) / 256, 1, 256, [&] { bn_running_statistics(C, weight.data(), bias.data(), mean.data(), var.data(), 1e-5, stats.data()); });
  }
  emulation::launch(k.blocks, chunks, 256, [&] { bn_apply(x.data(), y.data(), R, C, lanes, stats.data(), relu); });
  emulation::launch(k.blocks, chunks, 256, [&] { bn_grad_sums(dy.data(), x.data(), R, C, lanes, stats.data(), relu, partial.data()); });
  emulation::launch(groups, 1, 256, [&] {
    bn_grad_coefficients(partial.data(), k.blocks, C, static_cast<double>(R), stats.data(), k.training, d_weight.data(), d_bias.data(), d_offset.data(), coefficients.data());
  });
  emulation::launch(k.blocks, chunks, 256, [&] { bn_grad_apply(dy.data(), x.data(), dx.data(), R, C, lanes, stats.data(), coefficients.data(), relu); });

  std::vector<double> got_stats, want_stats, got_running, want_running, got_parameters, want_parameters, got_y(R * C), want_y(R * C), got_dx(R * C), want_dx(R * C);
  for (int c = 0; c < C; c++) {
    double sum = 0, square = 0;
    for (long long r = 0; r < R; r++) sum += number(x[r * C + c]);
    double m = sum / R;
    for (long long r = 0; r < R; r++) square += (number(x[r * C + c]) - m) * (number(x[r * C + c]) - m);
    double variance = square / R;
    want_running.insert(want_running.end(), {k.training ? 0.1 * (m + offset[c]) + 0.9 * old_mean[c] : old_mean[c], k.training ? 0.1 * square / (R - 1) + 0.9 * old_var[c] : old_var[c]});
    got_running.insert(got_running.end(), {mean[c], var[c]});
    if (!k.training) m = old_mean[c], variance = old_var[c];
    const double inv = 1 / std::sqrt(variance + 1e-5), scale = inv * weight[c], shift = bias[c] - m * scale;
    want_stats.insert(want_stats.end(), {m, inv});
    got_stats.insert(got_stats.end(), {stats.data()[2 * C + c], stats.data()[3 * C + c]});
    double g_sum = 0, gx_sum = 0;
    const auto gradient = [&](long long r) {
      // The mask is the kernel's own (float32): at the edge of the ReLU the last bit decides.
      const float v = std::fmaf(number(x[r * C + c]), stats.data()[c], stats.data()[C + c]);
      return relu && v <= 0 ? 0.0 : static_cast<double>(number(dy[r * C + c]));
    };
    for (long long r = 0; r < R; r++) {
      g_sum += gradient(r);
      gx_sum += gradient(r) * (number(x[r * C + c]) - m);
    }
    want_parameters.insert(want_parameters.end(), {gx_sum * inv, g_sum});
    got_parameters.insert(got_parameters.end(), {d_weight.data()[c], d_bias.data()[c]});
    for (long long r = 0; r < R; r++) {
      const double value = number(x[r * C + c]), v = value * scale + shift;
      want_y[r * C + c] = relu && v < 0 ? 0 : v;
      want_dx[r * C + c] = k.training ? scale * (gradient(r) - g_sum / R - (value - m) * inv * inv * gx_sum / R) : scale * gradient(r);
    }
  }
  for (long long i = 0; i < R * C; i++) {
    got_y[i] = number(y.data()[i]);
    got_dx[i] = number(dx.data()[i]);
  }
  expect_close(what + ": mean and inverse deviation", got_stats, want_stats, 1e-6);
  expect_close(what + ": running statistics", got_running, want_running, 1e-6);
  expect_close(what + ": y", got_y, want_y, bound);
  expect_close(what + ": gradients of weight and bias", got_parameters, want_parameters, 2e-6);
  expect_close(what + ": dx", got_dx, want_dx, bound);
  bool zero = true;
  for (int c = 0; c < C; c++) zero = zero && d_offset.data()[c] == 0.0f;
  expect(what + ": the convolution's bias has no gradient, nothing is written beyond", zero && y.intact() && dx.intact() && stats.intact() && partial.intact() && coefficients.intact());
}

/// A batch with a NaN leaves the running statistics alone.
static void check_poisoned(const char* variant) {
  const int C = 2 * V, R = 40;
  std::vector<Element> x(R * C, element(1.0f));
  x[3] = element(NAN);
  std::vector<float> ones(C, 1.0f), mean(C, 0.5f), var(C, 0.25f);
  Result<float> stats(4 * C);
  Result<double> partial(2 * C);
  emulation::launch(1, 1, 256, [&] { bn_sums(x.data(), R, C, C / V, partial.data()); });
  emulation::launch((C + 7) / 8, 1, 256, [&] {
    bn_statistics(partial.data(), 1, C, static_cast<double>(R), x.data(), ones.data(), ones.data(), nullptr, mean.data(), var.data(), 0.1, 1e-5, stats.data());
  });
  bool kept = mean[3 % C] == 0.5f && var[3 % C] == 0.25f && std::isnan(stats.data()[3 % C]);
  for (int c = 0; c < C; c++) kept = kept && std::isfinite(mean[c]) && std::isfinite(var[c]) && (c == 3 % C || mean[c] != 0.5f);
  expect(std::string(variant) + " norm: a batch with a NaN leaves that channel's running statistics, and no other's", kept);
}

static void check_pool(const char* variant, int N, int H, int W, int C, int pad, bool ceil, double bound) {
  const auto size_of = [&](int in) {
    const int out = (in + 2 * pad - 3 + (ceil ? 1 : 0)) / 2 + 1;
    return ceil && (out - 1) * 2 >= in + pad ? out - 1 : out;
  };
  const int OH = size_of(H), OW = size_of(W);
  const std::string what = std::string(variant) + " norm, ReLU, pool " + std::to_string(N) + "x" + std::to_string(H) + "x" + std::to_string(W) + "x" + std::to_string(C) +
                           " padding " + std::to_string(pad) + (ceil ? " ceil" : "");
  const size_t in = static_cast<size_t>(N) * H * W * C, out = static_cast<size_t>(N) * OH * OW * C;
  std::vector<Element> x(in), dy(out);
  for (auto& e : x) e = element(draw_number());
  for (auto& e : dy) e = element(draw_number());
  std::vector<float> stats(4 * C), coefficients(2 * C);
  for (int c = 0; c < C; c++) {
    stats[c] = (0.5f + std::fabs(draw_number())) * (c % 3 == 1 ? -1.0f : 1.0f);
    stats[C + c] = 0.5f * draw_number();
    coefficients[c] = draw_number();
    coefficients[C + c] = draw_number();
  }
  Result<Element> y(out), winner(out), dx(in), alone(out);
  Result<unsigned char> index(out);
  const unsigned total = static_cast<unsigned>(N * ((OH + 3) / 4) * OW * (C / V));
  emulation::launch((total + 127) / 128, 1, 128, [&] { norm_pool(x.data(), y.data(), winner.data(), index.data(), total, H, W, C, OH, OW, pad, stats.data()); });
  emulation::launch((total + 127) / 128, 1, 128, [&] { norm_pool(x.data(), alone.data(), nullptr, nullptr, total, H, W, C, OH, OW, pad, stats.data()); });
  const unsigned quads = static_cast<unsigned>(N * ((H - 1 + pad) / 2 + 1) * ((W - 1 + pad) / 2 + 1) * (C / V));
  emulation::launch((quads + 127) / 128, 1, 128,
                    [&] { norm_pool_grad(dy.data(), index.data(), x.data(), dx.data(), quads, H, W, C, OH, OW, pad, stats.data(), coefficients.data()); });
  std::vector<double> got_y(out), want_y(out), got_winner(out), want_winner(out), got_dx(in), want_dx(in), g(in, 0.0);
  for (int n = 0; n < N; n++) {
    for (int oy = 0; oy < OH; oy++) {
      for (int ox = 0; ox < OW; ox++) {
        for (int c = 0; c < C; c++) {
          const size_t o = ((static_cast<size_t>(n) * OH + oy) * OW + ox) * C + c;
          double best = -INFINITY;
          size_t place = 0;
          for (int i = 0; i < 9; i++) {
            const int row = 2 * oy - pad + i / 3, column = 2 * ox - pad + i % 3;
            if (row < 0 || row >= H || column < 0 || column >= W) continue;
            const size_t at = ((static_cast<size_t>(n) * H + row) * W + column) * C + c;
            const double v = static_cast<double>(number(x[at])) * stats[c] + stats[C + c];
            if (v > best) best = v, place = at;
          }
          want_y[o] = best > 0 ? best : 0;
          want_winner[o] = number(x[place]);
          if (std::fmaf(number(x[place]), stats[c], stats[C + c]) > 0) g[place] += number(dy[o]);
          got_y[o] = number(y.data()[o]);
          got_winner[o] = number(winner.data()[o]);
        }
      }
    }
  }
  for (size_t i = 0; i < in; i++) {
    const size_t c = i % C;
    want_dx[i] = static_cast<double>(stats[c]) * g[i] + static_cast<double>(coefficients[c]) * number(x[i]) + coefficients[C + c];
    got_dx[i] = number(dx.data()[i]);
  }
  expect_close(what + ": y", got_y, want_y, bound);
  expect_close(what + ": the windows' winners", got_winner, want_winner, 0);
  expect_close(what + ": dx", got_dx, want_dx, bound);
  expect(what + ": the same without a gradient, nothing is written beyond",
         std::memcmp(alone.data(), y.data(), out * sizeof(Element)) == 0 && y.intact() && dx.intact() && winner.intact() && index.intact() && alone.intact());
}
