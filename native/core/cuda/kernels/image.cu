// Images as the first convolution takes them: planar [N,3,H,W] bytes or floats → channels_last elements, normalised.
//
// Value of channel c: (pixel / divisor − mean[c]) / deviation[c], c counted after the exchange of blue and red.
#define THREADS 256

struct Normal {
  float divisor, mean[3], deviation[3];
};

SIAM_DEVICE void normalised(const void* image, int is_byte, long long at, long long plane, int swap, const Normal& normal, float (&out)[3]) {
#pragma unroll
  for (int c = 0; c < 3; c++) {
    const long long i = at + (swap ? 2 - c : c) * plane;
    const float raw = is_byte ? (float)((const unsigned char*)image)[i] : ((const float*)image)[i];
    out[c] = (raw / normal.divisor - normal.mean[c]) / normal.deviation[c];
  }
}

/// out [N,H,W,CO], channels from the third on 0. @param total  N · H · W
SIAM_KERNEL(THREADS, 4)
image_pixels(const void* image, int is_byte, Element* out, long long total, long long plane, int CO, int swap, float divisor, float m0, float m1, float m2, float d0, float d1, float d2) {
  const long long t = (long long)blockIdx.x * THREADS + threadIdx.x;
  if (t >= total) return;
  const Normal normal = {divisor, {m0, m1, m2}, {d0, d1, d2}};
  float value[3];
  const long long n = t / plane, p = t % plane;
  normalised(image, is_byte, n * 3 * plane + p, plane, swap, normal, value);
  for (int c = 0; c < CO; c++) out[t * CO + c] = narrow(c < 3 ? value[c < 3 ? c : 0] : 0.0f);
}

/// 2×2 pixels as one of 16 channels, 4c + 2 · row + column, the last four 0 (core/stem_fold.h says why). out [N,QH,QW,16]; what lies beyond the image
/// is 0. @param total  N · QH · QW
SIAM_KERNEL(THREADS, 4)
image_folded(const void* image, int is_byte, Element* out, long long total, int H, int W, int swap, float divisor, float m0, float m1, float m2, float d0, float d1, float d2) {
  const long long t = (long long)blockIdx.x * THREADS + threadIdx.x;
  if (t >= total) return;
  const Normal normal = {divisor, {m0, m1, m2}, {d0, d1, d2}};
  const int QH = (H + 1) / 2, QW = (W + 1) / 2;
  const long long plane = (long long)H * W, n = t / ((long long)QH * QW);
  const int at = (int)(t % ((long long)QH * QW)), qy = at / QW, qx = at % QW;
  float channels[16];
#pragma unroll
  for (int i = 0; i < 16; i++) channels[i] = 0.0f;
#pragma unroll
  for (int q = 0; q < 4; q++) {
    const int y = 2 * qy + q / 2, x = 2 * qx + q % 2;
    float value[3];
    if (y >= H || x >= W) continue;
    normalised(image, is_byte, n * 3 * plane + (long long)y * W + x, plane, swap, normal, value);
#pragma unroll
    for (int c = 0; c < 3; c++) channels[4 * c + q] = value[c];
  }
#pragma unroll
  for (int i = 0; i < 16 / V; i++) {
    float part[V];
#pragma unroll
    for (int j = 0; j < V; j++) part[j] = channels[i * V + j];
    store(out + t * 16 + i * V, part);
  }
}
