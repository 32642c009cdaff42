// Depthwise cross-correlation and its gradients, channels_last. KH, KW: the template's size, given on the command line (the template stays in registers).
//
// A thread goes along one row for V channels: each column of x is read once and adds to the KW results that it reaches.
#define THREADS 256

SIAM_DEVICE void load_template(const Element* k, long long n, int C, int c, float (&taps)[KH][KW][V]) {
#pragma unroll
  for (int i = 0; i < KH; i++) {
#pragma unroll
    for (int j = 0; j < KW; j++) load(k + ((n * KH + i) * KW + j) * C + c, taps[i][j]);
  }
}

/// out [N,OH,OW,C] of x [N,H,W,C] and k [N,KH,KW,C]. @param total  threads that have work: N · OH · C / V
SIAM_KERNEL(THREADS, 2) xcorr(const Element* x, const Element* k, Element* out, unsigned total, int C, int H, int W) {
  unsigned t = blockIdx.x * (unsigned)THREADS + threadIdx.x;
  if (t >= total) return;
  const unsigned vectors = C / V, OH = H - KH + 1;
  const int OW = W - KW + 1, c = (int)(t % vectors) * V;
  t /= vectors;
  const int oy = (int)(t % OH);
  const long long n = t / OH;
  float taps[KH][KW][V], sums[KW][V];  // sums[j] belongs to the result j columns back
  load_template(k, n, C, c, taps);
#pragma unroll
  for (int j = 0; j < KW; j++) {
#pragma unroll
    for (int v = 0; v < V; v++) sums[j][v] = 0.0f;
  }
  const Element* rows = x + ((n * H + oy) * W) * C + c;
  Element* result = out + ((n * OH + oy) * OW) * C + c;
#pragma unroll 2
  for (int column = 0; column < W; column++) {
#pragma unroll
    for (int i = 0; i < KH; i++) {
      float value[V];
      load(rows + ((long long)i * W + column) * C, value);
#pragma unroll
      for (int j = 0; j < KW; j++) {
#pragma unroll
        for (int v = 0; v < V; v++) sums[j][v] = fmaf(value[v], taps[i][j][v], sums[j][v]);
      }
    }
    if (column >= KW - 1) store(result + (long long)(column - (KW - 1)) * C, sums[KW - 1]);
#pragma unroll
    for (int j = KW - 1; j >= 0; j--) {
#pragma unroll
      for (int v = 0; v < V; v++) sums[j][v] = j > 0 ? sums[j > 0 ? j - 1 : 0][v] : 0.0f;
    }
  }
}

/// dx [N,H,W,C] of g [N,OH,OW,C] and k. @param total  threads that have work: N · H · C / V
SIAM_KERNEL(THREADS, 2) xcorr_grad_x(const Element* g, const Element* k, Element* dx, unsigned total, int C, int H, int W) {
  unsigned t = blockIdx.x * (unsigned)THREADS + threadIdx.x;
  if (t >= total) return;
  const unsigned vectors = C / V;
  const int OH = H - KH + 1, OW = W - KW + 1, c = (int)(t % vectors) * V;
  t /= vectors;
  const int y = (int)(t % (unsigned)H);
  const long long n = t / (unsigned)H;
  float taps[KH][KW][V], sums[KW][V];  // sums[j] belongs to the column j ahead
  load_template(k, n, C, c, taps);
#pragma unroll
  for (int j = 0; j < KW; j++) {
#pragma unroll
    for (int v = 0; v < V; v++) sums[j][v] = 0.0f;
  }
  Element* result = dx + ((n * H + y) * W) * C + c;
#pragma unroll 2
  for (int column = 0; column < W; column++) {
    if (column < OW) {
#pragma unroll
      for (int i = 0; i < KH; i++) {
        if (y - i < 0 || y - i >= OH) continue;
        float value[V];
        load(g + ((n * OH + y - i) * OW + column) * C + c, value);
#pragma unroll
        for (int j = 0; j < KW; j++) {
#pragma unroll
          for (int v = 0; v < V; v++) sums[j][v] = fmaf(value[v], taps[i][j][v], sums[j][v]);
        }
      }
    }
    store(result + (long long)column * C, sums[0]);
#pragma unroll
    for (int j = 0; j < KW; j++) {
#pragma unroll
      for (int v = 0; v < V; v++) sums[j][v] = j < KW - 1 ? sums[j < KW - 1 ? j + 1 : 0][v] : 0.0f;
    }
  }
}

// 32 vectors of channels of one image a block, in 8 groups of rows whose sums are added in order.
#define LANES 32
#define GROUPS (THREADS / LANES)

/// dk [N,KH,KW,C] of g and x. Blocks: N · ceil(C / V / LANES).
SIAM_KERNEL(THREADS, 2) xcorr_grad_k(const Element* g, const Element* x, Element* dk, int C, int H, int W) {
  SIAM_SHARED float shared[GROUPS][LANES][V];
  const int vectors = C / V, chunks = (vectors + LANES - 1) / LANES, lane = threadIdx.x % LANES, group = threadIdx.x / LANES;
  const int OH = H - KH + 1, OW = W - KW + 1, c = (int)((blockIdx.x % chunks) * LANES + lane) * V;
  const long long n = blockIdx.x / chunks;
  float sums[KH][KW][V];
#pragma unroll
  for (int i = 0; i < KH; i++) {
#pragma unroll
    for (int j = 0; j < KW; j++) {
#pragma unroll
      for (int v = 0; v < V; v++) sums[i][j][v] = 0.0f;
    }
  }
  if (c < C) {
    for (int oy = group; oy < OH; oy += GROUPS) {
      float recent[KW][V];  // g of the last KW columns, the newest first
#pragma unroll
      for (int j = 0; j < KW; j++) {
#pragma unroll
        for (int v = 0; v < V; v++) recent[j][v] = 0.0f;
      }
#pragma unroll 2
      for (int column = 0; column < W; column++) {
#pragma unroll
        for (int j = KW - 1; j > 0; j--) {
#pragma unroll
          for (int v = 0; v < V; v++) recent[j][v] = recent[j - 1][v];
        }
        if (column < OW) {
          load(g + ((n * OH + oy) * OW + column) * C + c, recent[0]);
        } else {
#pragma unroll
          for (int v = 0; v < V; v++) recent[0][v] = 0.0f;
        }
#pragma unroll
        for (int i = 0; i < KH; i++) {
          float value[V];
          load(x + ((n * H + oy + i) * W + column) * C + c, value);
#pragma unroll
          for (int j = 0; j < KW; j++) {
#pragma unroll
            for (int v = 0; v < V; v++) sums[i][j][v] = fmaf(value[v], recent[j][v], sums[i][j][v]);
          }
        }
      }
    }
  }
#pragma unroll
  for (int i = 0; i < KH; i++) {
#pragma unroll
    for (int j = 0; j < KW; j++) {
#pragma unroll
      for (int v = 0; v < V; v++) shared[group][lane][v] = sums[i][j][v];
      __syncthreads();
      if (group == 0 && c < C) {
        float total[V];
#pragma unroll
        for (int v = 0; v < V; v++) total[v] = 0.0f;
        for (int other = 0; other < GROUPS; other++) {
#pragma unroll
          for (int v = 0; v < V; v++) total[v] += shared[other][lane][v];
        }
        store(dk + ((n * KH + i) * KW + j) * C + c, total);
      }
      __syncthreads();
    }
  }
}
