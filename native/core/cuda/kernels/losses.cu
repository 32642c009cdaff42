// The losses over positions, float32: value, gradient of each prediction without the normalisation, and the sums that normalise.
//
// The formulas are losses.cc's, operation by operation (compiled without contraction to fused multiply-adds). Sums are float64.
#define THREADS 256
#define TINY 1.17549435e-38f  // the smallest normal float32: the original's SafeLog

/// Adds up three values of the block's threads. @param partial [blocks][3]
SIAM_DEVICE void block_totals(double first, double second, double third, double* partial) {
  SIAM_SHARED double shared[3][THREADS];
  shared[0][threadIdx.x] = first;
  shared[1][threadIdx.x] = second;
  shared[2][threadIdx.x] = third;
  __syncthreads();
  for (int width = THREADS / 2; width > 0; width /= 2) {
    if ((int)threadIdx.x < width) {
      for (int i = 0; i < 3; i++) shared[i][threadIdx.x] += shared[i][threadIdx.x + width];
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    for (int i = 0; i < 3; i++) partial[(long long)blockIdx.x * 3 + i] = shared[i][0];
  }
}

/// loss = Σ₀ / max(Σ₁, 1) · weight; factor = weight / max(Σ₁, 1), what the stored gradients lack; mean = Σ₂ / max(Σ₁, 1). One block.
SIAM_KERNEL(THREADS, 1) loss_totals(const double* partial, int blocks, double weight, float* loss, float* factor, float* mean) {
  SIAM_SHARED double shared[3][THREADS];
  for (int i = 0; i < 3; i++) {
    double sum = 0;
    for (int b = threadIdx.x; b < blocks; b += THREADS) sum += partial[(long long)b * 3 + i];
    shared[i][threadIdx.x] = sum;
  }
  __syncthreads();
  if (threadIdx.x != 0) return;
  double total[3] = {0, 0, 0};
  for (int i = 0; i < 3; i++) {
    for (int t = 0; t < THREADS; t++) total[i] += shared[i][t];
  }
  const double count = total[1] > 1 ? total[1] : 1.0;
  *loss = (float)(total[0] / count * weight);
  *factor = (float)(weight / count);
  if (mean != 0) *mean = (float)(total[2] / count);
}

/// out = gradient · factor · upstream
SIAM_KERNEL(THREADS, 4) loss_grad(const float* gradient, const float* factor, const float* upstream, float* out, long long total) {
  const long long t = (long long)blockIdx.x * THREADS + threadIdx.x;
  if (t < total) out[t] = gradient[t] * (*factor * *upstream);
}

SIAM_DEVICE float sigmoid_of(float x) { return 1.0f / (1.0f + expf(-x)); }
/// Binary cross entropy of a logit, as torch writes it.
SIAM_DEVICE float cross_entropy(float x, float target) {
  const float log_sigmoid = (x < 0 ? x : 0.0f) - log1pf(expf(-fabsf(x)));
  return (1.0f - target) * x - log_sigmoid;
}
SIAM_DEVICE float power(float base, float exponent) { return exponent == 0.0f ? 1.0f : exponent == 1.0f ? base : exponent == 2.0f ? base * base : powf(base, exponent); }
/// exponent · base^(exponent − 1)
SIAM_DEVICE float power_slope(float base, float exponent) { return exponent == 0.0f ? 0.0f : exponent * power(base, exponent - 1.0f); }
SIAM_DEVICE float safe_log(float p) { return logf(p > TINY || p != p ? p : TINY); }
SIAM_DEVICE float safe_log_slope(float p) { return p > TINY || p != p ? 1.0f / p : 0.0f; }

/// Focal loss of logits (`retina` 0) or, with a clamped logarithm, of probabilities (1). alpha < 0 (focal only): no weights of the classes.
SIAM_KERNEL(THREADS, 2)
loss_focal(const float* logits, const float* label, float* gradient, long long total, int retina, float alpha, float gamma, float ignored, double* partial) {
  double value = 0, positives = 0;
  for (long long t = (long long)blockIdx.x * THREADS + threadIdx.x; t < total; t += (long long)gridDim.x * THREADS) {
    const float x = logits[t], l = label[t], mask = l != ignored ? 1.0f : 0.0f, target = (long long)(l * mask) == 1 ? 1.0f : 0.0f;
    const float p = sigmoid_of(x), slope = p * (1.0f - p);
    float loss, d;
    if (retina) {
      const float positive = power(1.0f - p, gamma) * target * safe_log(p), negative = power(p, gamma) * (1.0f - target) * safe_log(1.0f - p);
      loss = -(alpha * positive + (1.0f - alpha) * negative);
      const float d_positive = power(1.0f - p, gamma) * safe_log_slope(p) - power_slope(1.0f - p, gamma) * safe_log(p);
      const float d_negative = power_slope(p, gamma) * safe_log(1.0f - p) - power(p, gamma) * safe_log_slope(1.0f - p);
      d = -(target != 0 ? alpha * d_positive : (1.0f - alpha) * d_negative) * slope;
    } else {
      const float entropy = cross_entropy(x, target), p_t = p * target + (1.0f - p) * (1.0f - target), rest = 1.0f - p_t;
      const float balance = alpha >= 0 ? alpha * target + (1.0f - alpha) * (1.0f - target) : 1.0f;
      loss = balance * (entropy * power(rest, gamma));
      d = balance * ((p - target) * power(rest, gamma) + entropy * power_slope(rest, gamma) * (1.0f - 2.0f * target) * slope);
    }
    gradient[t] = d * mask;
    value += loss * mask;
    positives += l > 0 ? 1 : 0;
  }
  block_totals(value, positives, 0, partial);
}

/// Cross entropy of the centre-ness less the target's own entropy, over targets that are not 0.
SIAM_KERNEL(THREADS, 2) loss_centerness(const float* logits, const float* label, float* gradient, long long total, double* partial) {
  double value = 0, count = 0;
  for (long long t = (long long)blockIdx.x * THREADS + threadIdx.x; t < total; t += (long long)gridDim.x * THREADS) {
    const float x = logits[t], l = label[t], mask = l != 0 ? 1.0f : 0.0f;
    const float log_l = logf(l), log_rest = log1pf(-l);
    const float entropy = (l - 1.0f) * (log_rest < -100.0f ? -100.0f : log_rest) - l * (log_l < -100.0f ? -100.0f : log_l);
    value += cross_entropy(x, l) * mask - entropy * mask;
    gradient[t] = (sigmoid_of(x) - l) * mask;
    count += mask;
  }
  block_totals(value, count, 0, partial);
}

/// d max(a, b) / d a: equals share, as torch's.
SIAM_DEVICE float larger_slope(float a, float b) { return a > b ? 1.0f : a == b ? 0.5f : 0.0f; }
SIAM_DEVICE float sign_of(float v) { return v > 0 ? 1.0f : v < 0 ? -1.0f : 0.0f; }
SIAM_DEVICE float max_of(float a, float b) { return a != a || a > b ? a : b; }
SIAM_DEVICE float min_of(float a, float b) { return a != a || a < b ? a : b; }

/// −ln IoU of boxes x0, y0, x1, y1 with +1 areas over positives. @param gradient [total,4]
SIAM_KERNEL(THREADS, 2)
loss_iou(const float* pred, const float* target, const float* label, float* gradient, long long total, float background, float ignored, double* partial) {
  double value = 0, count = 0, overlap = 0;
  for (long long i = (long long)blockIdx.x * THREADS + threadIdx.x; i < total; i += (long long)gridDim.x * THREADS) {
    const float *p = pred + 4 * i, *t = target + 4 * i;
    const float mask = label[i] != background && label[i] != ignored ? 1.0f : 0.0f;
    const float p_width = p[2] - p[0] + 1.0f, p_height = p[3] - p[1] + 1.0f;
    const float target_area = fabsf(t[2] - t[0] + 1.0f) * fabsf(t[3] - t[1] + 1.0f), pred_area = fabsf(p_width) * fabsf(p_height);
    const float width = min_of(p[2], t[2]) - max_of(p[0], t[0]) + 1.0f, height = min_of(p[3], t[3]) - max_of(p[1], t[1]) + 1.0f;
    const float w = max_of(width, 0.0f), h = max_of(height, 0.0f);
    const float inter = w * h, joined = target_area + pred_area - inter, iou = max_of(inter / joined, 0.0f);
    value += -safe_log(iou) * mask;
    overlap += iou * mask;
    count += mask;
    // −ln(iou): through the intersection and through the union, none where the logarithm is cut.
    const float d_iou = -safe_log_slope(iou) * mask;
    const float d_inter = d_iou * (joined + inter) / (joined * joined), d_area = -d_iou * inter / (joined * joined);
    const float d_width = d_inter * h * larger_slope(width, 0.0f), d_height = d_inter * w * larger_slope(height, 0.0f);
    const float d_p_width = d_area * fabsf(p_height) * sign_of(p_width), d_p_height = d_area * fabsf(p_width) * sign_of(p_height);
    gradient[4 * i] = -d_width * larger_slope(p[0], t[0]) - d_p_width;
    gradient[4 * i + 1] = -d_height * larger_slope(p[1], t[1]) - d_p_height;
    gradient[4 * i + 2] = d_width * larger_slope(t[2], p[2]) + d_p_width;
    gradient[4 * i + 3] = d_height * larger_slope(t[3], p[3]) + d_p_height;
  }
  block_totals(value, count, overlap, partial);
}
