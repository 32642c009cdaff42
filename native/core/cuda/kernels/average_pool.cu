// Mean over 3×3 cells of a channels_last map, stride 1, with a border of zeros that counts. Symmetric, so its gradient is the same pass.
#define THREADS 256

/// One pack of V channels of one cell a thread. @param total  N · H · W · C / V
SIAM_KERNEL(THREADS, 4)
mean_3x3(const Element* x, Element* y, unsigned total, unsigned H, unsigned W, unsigned packs) {
  const unsigned t = blockIdx.x * THREADS + threadIdx.x;
  if (t >= total) return;
  const unsigned cell = t / packs, column = cell % W, row = cell / W % H;
  const long long line = (long long)W * packs * V;
  const Element* middle = x + (long long)t * V;
  float sum[V];
#pragma unroll
  for (int j = 0; j < V; j++) sum[j] = 0.0f;
#pragma unroll
  for (int dy = -1; dy <= 1; dy++) {
    if ((dy < 0 && row == 0) || (dy > 0 && row + 1 == H)) continue;
#pragma unroll
    for (int dx = -1; dx <= 1; dx++) {
      if ((dx < 0 && column == 0) || (dx > 0 && column + 1 == W)) continue;
      float value[V];
      load(middle + dy * line + dx * (long long)(packs * V), value);
#pragma unroll
      for (int j = 0; j < V; j++) sum[j] += value[j];
    }
  }
#pragma unroll
  for (int j = 0; j < V; j++) sum[j] /= 9.0f;
  store(y + (long long)t * V, sum);
}
