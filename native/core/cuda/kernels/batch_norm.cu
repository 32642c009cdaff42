// BatchNorm and the ReLU behind it over rows: x [R,C], one row a pixel of a channels_last tensor.
//
// A block of 256 threads covers `lanes` vectors of V channels of 256 / lanes rows at once and strides over the rows; blockIdx.y counts chunks of
// channels. Per thread sums are float32 of values less the first row's (no cancellation where the mean is far from 0), over at most a few hundred
// rows; blocks and their partial sums are added in float64, in an order that nothing changes.
#define THREADS 256

struct Place {
  int lane, row, rows, c;
  bool active;
};

SIAM_DEVICE Place place_of(int C, int lanes) {
  Place p;
  p.lane = threadIdx.x % lanes;
  p.row = threadIdx.x / lanes;
  p.rows = THREADS / lanes;
  p.c = ((int)blockIdx.y * lanes + p.lane) * V;
  p.active = p.row < p.rows && p.c < C;
  return p;
}

/// Adds up both sums of the block's threads, channel by channel. @param partial [blocks][2][C]
SIAM_DEVICE void block_sums(const float (&first)[V], const float (&second)[V], const Place& p, int C, int lanes, double* partial) {
  SIAM_SHARED float shared[2][THREADS * V];
#pragma unroll
  for (int j = 0; j < V; j++) {
    shared[0][threadIdx.x * V + j] = first[j];
    shared[1][threadIdx.x * V + j] = second[j];
  }
  __syncthreads();
  const int width = lanes * V;
  for (int o = threadIdx.x; o < 2 * width; o += THREADS) {
    const int which = o / width, i = o % width, c = (int)blockIdx.y * width + i;
    if (c >= C) continue;
    double total = 0;
    for (int row = 0; row < p.rows; row++) total += shared[which][row * width + i];
    partial[((long long)blockIdx.x * 2 + which) * C + c] = total;
  }
}

/// Σ (x − x₀) and Σ (x − x₀)² for each channel, x₀ being the first row.
SIAM_KERNEL(THREADS, 4) bn_sums(const Element* x, long long R, int C, int lanes, double* partial) {
  const Place p = place_of(C, lanes);
  float sum[V], square[V];
#pragma unroll
  for (int j = 0; j < V; j++) sum[j] = square[j] = 0.0f;
  if (p.active) {
    float origin[V];
    load(x + p.c, origin);
    const long long step = (long long)gridDim.x * p.rows;
    long long r = (long long)blockIdx.x * p.rows + p.row;
    for (; r + 3 * step < R; r += 4 * step) {
      Pack packs[4];
#pragma unroll
      for (int i = 0; i < 4; i++) packs[i] = fetch(x + (r + i * step) * C + p.c);
#pragma unroll
      for (int i = 0; i < 4; i++) {
        float value[V];
        unpack(packs[i], value);
#pragma unroll
        for (int j = 0; j < V; j++) {
          const float d = value[j] - origin[j];
          sum[j] += d;
          square[j] += d * d;
        }
      }
    }
    for (; r < R; r += step) {
      float value[V];
      load(x + r * C + p.c, value);
#pragma unroll
      for (int j = 0; j < V; j++) {
        const float d = value[j] - origin[j];
        sum[j] += d;
        square[j] += d * d;
      }
    }
  }
  block_sums(sum, square, p, C, lanes, partial);
}

// 8 channels a block, 32 threads to a channel: the partial sums of all blocks, two for each channel. Threads of `slice` 0 hold the totals.
#define GROUP 8
#define SLICES (THREADS / GROUP)
SIAM_DEVICE void total_sums(const double* partial, int blocks, int C, double (&total)[2]) {
  SIAM_SHARED double shared[2][SLICES][GROUP];
  const int place = threadIdx.x % GROUP, slice = threadIdx.x / GROUP, c = (int)blockIdx.x * GROUP + place;
  double first = 0, second = 0;
  if (c < C) {
#pragma unroll 4
    for (int b = slice; b < blocks; b += SLICES) {
      first += partial[(long long)b * 2 * C + c];
      second += partial[((long long)b * 2 + 1) * C + c];
    }
  }
  shared[0][slice][place] = first;
  shared[1][slice][place] = second;
  __syncthreads();
  total[0] = total[1] = 0;
  if (slice != 0) return;
  for (int s = 0; s < SLICES; s++) {
    total[0] += shared[0][s][place];
    total[1] += shared[1][s][place];
  }
}

SIAM_DEVICE bool is_finite(double v) { return v - v == 0; }

SIAM_DEVICE void write_statistics(float* stats, int C, int c, float mean, float inv_std, float weight, float bias) {
  const float scale = inv_std * weight;
  stats[c] = scale;
  stats[C + c] = bias - mean * scale;
  stats[2 * C + c] = mean;
  stats[3 * C + c] = inv_std;
}

/// From the sums to stats [4][C] (scale, shift, mean, inverse standard deviation) and the running statistics.
/// @param offset  the convolution's bias, or null: it enters the running mean alone
/// A batch that is not finite leaves the running statistics as they are: its step is skipped, and they have no way back from NaN.
SIAM_KERNEL(THREADS, 1)
bn_statistics(const double* partial, int blocks, int C, double count, const Element* x, const float* weight, const float* bias, const float* offset, float* running_mean,
              float* running_var, double momentum, double eps, float* stats) {
  double total[2];
  total_sums(partial, blocks, C, total);
  const int c = (int)blockIdx.x * GROUP + threadIdx.x;
  if (threadIdx.x >= GROUP || c >= C) return;
  const double shifted = total[0] / count, mean = shifted + widen(x[c]);
  double variance = total[1] / count - shifted * shifted;
  if (variance < 0) variance = 0;
  write_statistics(stats, C, c, (float)mean, (float)(1.0 / sqrt(variance + eps)), weight[c], bias[c]);
  if (!is_finite(mean) || !is_finite(variance)) return;
  const double unbiased = count > 1 ? variance * count / (count - 1) : variance;
  running_mean[c] = (float)(momentum * (mean + (offset != 0 ? offset[c] : 0.0f)) + (1 - momentum) * running_mean[c]);
  running_var[c] = (float)(momentum * unbiased + (1 - momentum) * running_var[c]);
}

/// stats of eval mode, from the running statistics.
SIAM_KERNEL(THREADS, 1) bn_running_statistics(int C, const float* weight, const float* bias, const float* running_mean, const float* running_var, double eps, float* stats) {
  const int c = (int)blockIdx.x * THREADS + threadIdx.x;
  if (c < C) write_statistics(stats, C, c, running_mean[c], 1.0f / sqrtf(running_var[c] + (float)eps), weight[c], bias[c]);
}

/// relu?(x · scale + shift); NaN passes, as in torch.
SIAM_DEVICE float activation(float x, float scale, float shift, int relu) {
  const float v = fmaf(x, scale, shift);
  return relu && v < 0 ? 0.0f : v;
}

/// y = relu?(x · scale + shift). From the last row to the first: the end of x is what the cache still holds of the sums' pass.
SIAM_KERNEL(THREADS, 4) bn_apply(const Element* x, Element* y, long long R, int C, int lanes, const float* stats, int relu) {
  const Place p = place_of(C, lanes);
  if (!p.active) return;
  float scale[V], shift[V];
  load_floats(stats + p.c, scale);
  load_floats(stats + C + p.c, shift);
  const long long step = (long long)gridDim.x * p.rows;
  long long r = R - 1 - ((long long)blockIdx.x * p.rows + p.row);
  for (; r - 3 * step >= 0; r -= 4 * step) {
    Pack packs[4];
#pragma unroll
    for (int i = 0; i < 4; i++) packs[i] = fetch(x + (r - i * step) * C + p.c);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      float value[V];
      unpack(packs[i], value);
#pragma unroll
      for (int j = 0; j < V; j++) value[j] = activation(value[j], scale[j], shift[j], relu);
      store(y + (r - i * step) * C + p.c, value);
    }
  }
  for (; r >= 0; r -= step) {
    float value[V];
    load(x + r * C + p.c, value);
#pragma unroll
    for (int j = 0; j < V; j++) value[j] = activation(value[j], scale[j], shift[j], relu);
    store(y + r * C + p.c, value);
  }
}

/// dy where the ReLU passed, decided by the same expression as in the forward pass.
SIAM_DEVICE float passed(float dy, float x, float scale, float shift, int relu) { return relu && fmaf(x, scale, shift) <= 0 ? 0.0f : dy; }

/// Σ g and Σ g (x − mean) for each channel.
SIAM_KERNEL(THREADS, 3) bn_grad_sums(const Element* dy, const Element* x, long long R, int C, int lanes, const float* stats, int relu, double* partial) {
  const Place p = place_of(C, lanes);
  float sum[V], product[V];
#pragma unroll
  for (int j = 0; j < V; j++) sum[j] = product[j] = 0.0f;
  if (p.active) {
    float scale[V], shift[V], mean[V];
    load_floats(stats + p.c, scale);
    load_floats(stats + C + p.c, shift);
    load_floats(stats + 2 * C + p.c, mean);
    const long long step = (long long)gridDim.x * p.rows;
    long long r = (long long)blockIdx.x * p.rows + p.row;
    for (; r + step < R; r += 2 * step) {
      Pack gradients[2], values[2];
#pragma unroll
      for (int i = 0; i < 2; i++) {
        gradients[i] = fetch(dy + (r + i * step) * C + p.c);
        values[i] = fetch(x + (r + i * step) * C + p.c);
      }
#pragma unroll
      for (int i = 0; i < 2; i++) {
        float gradient[V], value[V];
        unpack(gradients[i], gradient);
        unpack(values[i], value);
#pragma unroll
        for (int j = 0; j < V; j++) {
          const float g = passed(gradient[j], value[j], scale[j], shift[j], relu);
          sum[j] += g;
          product[j] += g * (value[j] - mean[j]);
        }
      }
    }
    for (; r < R; r += step) {
      float gradient[V], value[V];
      load(dy + r * C + p.c, gradient);
      load(x + r * C + p.c, value);
#pragma unroll
      for (int j = 0; j < V; j++) {
        const float g = passed(gradient[j], value[j], scale[j], shift[j], relu);
        sum[j] += g;
        product[j] += g * (value[j] - mean[j]);
      }
    }
  }
  block_sums(sum, product, p, C, lanes, partial);
}

/// From the sums to the parameters' gradients and dx = scale · g + slope · x + offset: coefficients [2][C] are slope and offset.
/// @param d_offset  gradient of the convolution's bias, or null: it cancels, so exactly 0     @param training  0: mean and variance are constants, so slope and offset are 0
SIAM_KERNEL(THREADS, 1)
bn_grad_coefficients(const double* partial, int blocks, int C, double count, const float* stats, int training, float* d_weight, float* d_bias, float* d_offset,
                     float* coefficients) {
  double total[2];
  total_sums(partial, blocks, C, total);
  const int c = (int)blockIdx.x * GROUP + threadIdx.x;
  if (threadIdx.x >= GROUP || c >= C) return;
  const double scale = stats[c], mean = stats[2 * C + c], inv_std = stats[3 * C + c];
  d_bias[c] = (float)total[0];
  if (d_offset != 0) d_offset[c] = 0.0f;
  d_weight[c] = (float)(total[1] * inv_std);
  const double slope = training ? -scale * inv_std * inv_std * total[1] / count : 0.0;
  coefficients[c] = (float)slope;
  coefficients[C + c] = (float)(training ? -scale * total[0] / count - slope * mean : 0.0);
}

/// dx = scale · g + slope · x + offset, from the last row to the first, as bn_apply.
SIAM_KERNEL(THREADS, 3)
bn_grad_apply(const Element* dy, const Element* x, Element* dx, long long R, int C, int lanes, const float* stats, const float* coefficients, int relu) {
  const Place p = place_of(C, lanes);
  if (!p.active) return;
  float scale[V], shift[V], slope[V], offset[V];
  load_floats(stats + p.c, scale);
  load_floats(stats + C + p.c, shift);
  load_floats(coefficients + p.c, slope);
  load_floats(coefficients + C + p.c, offset);
  const long long step = (long long)gridDim.x * p.rows;
  long long r = R - 1 - ((long long)blockIdx.x * p.rows + p.row);
  for (; r - step >= 0; r -= 2 * step) {
    Pack gradients[2], values[2];
#pragma unroll
    for (int i = 0; i < 2; i++) {
      gradients[i] = fetch(dy + (r - i * step) * C + p.c);
      values[i] = fetch(x + (r - i * step) * C + p.c);
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
      float gradient[V], value[V];
      unpack(gradients[i], gradient);
      unpack(values[i], value);
#pragma unroll
      for (int j = 0; j < V; j++) {
        const float g = passed(gradient[j], value[j], scale[j], shift[j], relu);
        value[j] = fmaf(scale[j], g, fmaf(slope[j], value[j], offset[j]));
      }
      store(dx + (r - i * step) * C + p.c, value);
    }
  }
  for (; r >= 0; r -= step) {
    float gradient[V], value[V];
    load(dy + r * C + p.c, gradient);
    load(x + r * C + p.c, value);
#pragma unroll
    for (int j = 0; j < V; j++) {
      const float g = passed(gradient[j], value[j], scale[j], shift[j], relu);
      value[j] = fmaf(scale[j], g, fmaf(slope[j], value[j], offset[j]));
    }
    store(dx + r * C + p.c, value);
  }
}
