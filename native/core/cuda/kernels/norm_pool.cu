// BatchNorm, ReLU and a 3×3 maximum of stride 2 as one pass over a channels_last tensor x [N,H,W,C] (statistics from batch_norm.cu).
//
// relu(x · scale + shift) rises or falls with x, so a window's maximum is that of ±x. What backward needs of a window is the value of x that won
// and its place in the window (one byte): the sums of backward then read tensors of the pooled size alone.
#define THREADS 128
#define STRIP 4  // rows of the result that one thread makes: each row of x but the first is compared once

SIAM_DEVICE void put_bytes(unsigned char* p, const int (&values)[V]) {
#if V == 8
  uint2 q;
  q.x = values[0] | values[1] << 8 | values[2] << 16 | values[3] << 24;
  q.y = values[4] | values[5] << 8 | values[6] << 16 | values[7] << 24;
  *(uint2*)p = q;
#elif V == 4
  *(unsigned*)p = values[0] | values[1] << 8 | values[2] << 16 | values[3] << 24;
#elif V == 2
  *(unsigned short*)p = (unsigned short)(values[0] | values[1] << 8);
#else
  *p = (unsigned char)values[0];
#endif
}

SIAM_DEVICE void load_bytes(const unsigned char* p, int (&values)[V]) {
#if V == 8
  const uint2 q = *(const uint2*)p;
#pragma unroll
  for (int j = 0; j < V; j++) values[j] = ((j < 4 ? q.x : q.y) >> (8 * (j % 4))) & 0xff;
#elif V == 4
  const unsigned q = *(const unsigned*)p;
#pragma unroll
  for (int j = 0; j < V; j++) values[j] = (q >> (8 * j)) & 0xff;
#elif V == 2
  const unsigned q = *(const unsigned short*)p;
  values[0] = q & 0xff, values[1] = q >> 8;
#else
  values[0] = *p;
#endif
}

struct PoolSizes {
  int H, W, C, OH, OW, pad;
};

/// The largest of up to three neighbours in row y and which of them it was; −∞ where the row is outside.
SIAM_DEVICE void best_of_row(const Element* image, const PoolSizes& s, int y, int x0, int c, const float (&sign)[V], float (&best)[V], int (&column)[V]) {
#pragma unroll
  for (int j = 0; j < V; j++) {
    best[j] = -__int_as_float(0x7f800000);
    column[j] = 0;
  }
  if (y < 0 || y >= s.H) return;
#pragma unroll
  for (int k = 0; k < 3; k++) {
    const int x = x0 + k;
    if (x < 0 || x >= s.W) continue;
    float value[V];
    load(image + ((long long)y * s.W + x) * s.C + c, value);
#pragma unroll
    for (int j = 0; j < V; j++) {
      const float u = value[j] * sign[j];
      if (u > best[j] || u != u) {  // the first of equals, and NaN wins: as torch's
        best[j] = u;
        column[j] = k;
      }
    }
  }
}

/// @param total  threads that have work: N · ceil(OH / STRIP) · OW · C / V
/// @param winner, index  x and place (3 · row + column) of the maximum, [N,OH,OW,C]; both null where no gradient is wanted
SIAM_KERNEL(THREADS, 5)
norm_pool(const Element* x, Element* y, Element* winner, unsigned char* index, unsigned total, int H, int W, int C, int OH, int OW, int pad, const float* stats) {
  const PoolSizes s = {H, W, C, OH, OW, pad};
  unsigned t = blockIdx.x * (unsigned)THREADS + threadIdx.x;
  if (t >= total) return;
  const unsigned vectors = C / V, strips = (OH + STRIP - 1) / STRIP;
  const int c = (int)(t % vectors) * V;
  t /= vectors;
  const int ox = (int)(t % (unsigned)OW);
  t /= (unsigned)OW;
  const int strip = (int)(t % strips);
  const long long n = t / strips;
  float scale[V], shift[V], sign[V];
  load_floats(stats + c, scale);
  load_floats(stats + C + c, shift);
#pragma unroll
  for (int j = 0; j < V; j++) sign[j] = scale[j] < 0 ? -1.0f : 1.0f;
  const Element* image = x + n * H * W * C;
  const int x0 = 2 * ox - pad;
  float top[V];
  int top_column[V];
  best_of_row(image, s, 2 * strip * STRIP - pad, x0, c, sign, top, top_column);
  for (int i = 0; i < STRIP; i++) {
    const int oy = strip * STRIP + i;
    if (oy >= OH) break;
    float middle[V], bottom[V], value[V];
    int column[V], bottom_column[V], place[V];
    best_of_row(image, s, 2 * oy - pad + 1, x0, c, sign, middle, column);
    best_of_row(image, s, 2 * oy - pad + 2, x0, c, sign, bottom, bottom_column);
#pragma unroll
    for (int j = 0; j < V; j++) {
      float best = top[j];
      place[j] = top_column[j];
      if (middle[j] > best || middle[j] != middle[j]) {
        best = middle[j];
        place[j] = 3 + column[j];
      }
      if (bottom[j] > best || bottom[j] != bottom[j]) {
        best = bottom[j];
        place[j] = 6 + bottom_column[j];
      }
      value[j] = best * sign[j];
      top[j] = bottom[j];
      top_column[j] = bottom_column[j];
    }
    const long long at = ((n * OH + oy) * OW + ox) * C + c;
    if (index != 0) {
      store(winner + at, value);
      put_bytes(index + at, place);
    }
#pragma unroll
    for (int j = 0; j < V; j++) {
      const float v = fmaf(value[j], scale[j], shift[j]);
      value[j] = v < 0 ? 0.0f : v;
    }
    store(y + at, value);
  }
}

/// dx = scale · g + slope · x + offset, where g gathers the gradients of the windows that x won, if the ReLU passed.
/// A thread makes 2×2 neighbours (2k, 2k+1 in padded coordinates): they share the four windows that reach them.
/// @param total  threads that have work: N · QH · QW · C / V with QH = (H − 1 + pad) / 2 + 1
SIAM_KERNEL(THREADS, 4)
norm_pool_grad(const Element* dy, const unsigned char* index, const Element* x, Element* dx, unsigned total, int H, int W, int C, int OH, int OW, int pad, const float* stats,
               const float* coefficients) {
  unsigned t = blockIdx.x * (unsigned)THREADS + threadIdx.x;
  if (t >= total) return;
  const unsigned vectors = C / V, QH = (H - 1 + pad) / 2 + 1, QW = (W - 1 + pad) / 2 + 1;
  const int c = (int)(t % vectors) * V;
  t /= vectors;
  const int qx = (int)(t % QW);
  t /= QW;
  const int qy = (int)(t % QH);
  const long long n = t / QH;

  Pack values[4];
  long long places[4];
#pragma unroll
  for (int q = 0; q < 4; q++) {
    const int y = 2 * qy + q / 2 - pad, column = 2 * qx + q % 2 - pad;
    const bool inside = y >= 0 && y < H && column >= 0 && column < W;
    places[q] = inside ? ((n * H + y) * W + column) * C + c : -1;
    if (inside) values[q] = fetch(x + places[q]);
  }
  float gathered[4][V];
#pragma unroll
  for (int q = 0; q < 4; q++) {
#pragma unroll
    for (int j = 0; j < V; j++) gathered[q][j] = 0.0f;
  }
  // Window k − 1 reaches place 2k with its last row, window k reaches 2k and 2k + 1 with its first and second.
#pragma unroll
  for (int a = 0; a < 2; a++) {
#pragma unroll
    for (int b = 0; b < 2; b++) {
      const int oy = qy - 1 + a, ox = qx - 1 + b;
      if (oy < 0 || oy >= OH || ox < 0 || ox >= OW) continue;
      const long long at = ((n * OH + oy) * OW + ox) * C + c;
      float gradient[V];
      int place[V];
      load(dy + at, gradient);
      load_bytes(index + at, place);
#pragma unroll
      for (int q = 0; q < 4; q++) {
        const int row = q / 2 == 0 ? (a == 0 ? 2 : 0) : (a == 0 ? -1 : 1), column = q % 2 == 0 ? (b == 0 ? 2 : 0) : (b == 0 ? -1 : 1);
        if (row < 0 || column < 0) continue;
#pragma unroll
        for (int j = 0; j < V; j++) gathered[q][j] += place[j] == 3 * row + column ? gradient[j] : 0.0f;
      }
    }
  }
  float scale[V], shift[V], slope[V], offset[V];
  load_floats(stats + c, scale);
  load_floats(stats + C + c, shift);
  load_floats(coefficients + c, slope);
  load_floats(coefficients + C + c, offset);
#pragma unroll
  for (int q = 0; q < 4; q++) {
    if (places[q] < 0) continue;
    float value[V];
    unpack(values[q], value);
#pragma unroll
    for (int j = 0; j < V; j++) {
      const float g = fmaf(value[j], scale[j], shift[j]) <= 0 ? 0.0f : gathered[q][j];
      value[j] = fmaf(scale[j], g, fmaf(slope[j], value[j], offset[j]));
    }
    store(dx + places[q], value);
  }
}
