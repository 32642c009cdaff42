// What every kernel file begins with. Compiled at run time by NVRTC, without any CUDA header; test/native/emulation compiles the same text as
// host C++ (it defines SIAM_EMULATED and what CUDA has built in).
//
// Macros given on the command line: SIAM_DTYPE 0 float, 1 half, 2 bfloat16; V elements that a thread moves at once (V · element ≤ 16 bytes).
// Arithmetic is float32 on every card; sums over blocks are float64. No atomics: results are the same in every run.
#ifndef SIAM_EMULATED
#define SIAM_KERNEL(threads, blocks) extern "C" __global__ void __launch_bounds__(threads, blocks)
#define SIAM_DEVICE static __device__ __forceinline__
#define SIAM_SHARED __shared__
#endif

#if SIAM_DTYPE == 0
typedef float Element;
#define ELEMENT_BYTES 4
#else
typedef unsigned short Element;
#define ELEMENT_BYTES 2
#endif
#define PACK_BYTES (V * ELEMENT_BYTES)
#define PACK_WORDS ((PACK_BYTES + 3) / 4)

#if SIAM_DTYPE == 0
SIAM_DEVICE float widen(Element e) { return e; }
SIAM_DEVICE Element narrow(float f) { return f; }
#elif SIAM_DTYPE == 1
#ifdef SIAM_EMULATED
SIAM_DEVICE float widen(Element e) { return emulated_half_to_float(e); }
SIAM_DEVICE Element narrow(float f) { return emulated_float_to_half(f); }
#else
SIAM_DEVICE float widen(Element e) {
  float f;
  asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(e));
  return f;
}
SIAM_DEVICE Element narrow(float f) {
  Element e;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(e) : "f"(f));
  return e;
}
#endif
#else
SIAM_DEVICE float widen(Element e) { return __uint_as_float((unsigned)e << 16); }
/// Round to nearest even; a NaN stays one.
SIAM_DEVICE Element narrow(float f) {
  const unsigned bits = __float_as_uint(f);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return (Element)((bits >> 16) | 0x40u);
  return (Element)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
#endif

/// V elements as they lie in memory: one access of 2 to 16 bytes.
struct Pack {
  unsigned w[PACK_WORDS];
};

SIAM_DEVICE Pack fetch(const Element* p) {
  Pack pack;
#if PACK_BYTES == 16
  const uint4 q = *(const uint4*)p;
  pack.w[0] = q.x, pack.w[1] = q.y, pack.w[2] = q.z, pack.w[3] = q.w;
#elif PACK_BYTES == 8
  const uint2 q = *(const uint2*)p;
  pack.w[0] = q.x, pack.w[1] = q.y;
#elif PACK_BYTES == 4
  pack.w[0] = *(const unsigned*)p;
#else
  pack.w[0] = *(const unsigned short*)p;
#endif
  return pack;
}

SIAM_DEVICE void put(Element* p, const Pack& pack) {
#if PACK_BYTES == 16
  uint4 q;
  q.x = pack.w[0], q.y = pack.w[1], q.z = pack.w[2], q.w = pack.w[3];
  *(uint4*)p = q;
#elif PACK_BYTES == 8
  uint2 q;
  q.x = pack.w[0], q.y = pack.w[1];
  *(uint2*)p = q;
#elif PACK_BYTES == 4
  *(unsigned*)p = pack.w[0];
#else
  *(unsigned short*)p = (unsigned short)pack.w[0];
#endif
}

SIAM_DEVICE void unpack(const Pack& pack, float (&out)[V]) {
#pragma unroll
  for (int j = 0; j < V; j++) {
#if SIAM_DTYPE == 0
    out[j] = __uint_as_float(pack.w[j]);
#else
    out[j] = widen((Element)(pack.w[j / 2] >> (16 * (j % 2))));
#endif
  }
}

SIAM_DEVICE Pack packed(const float (&in)[V]) {
  Pack pack;
#pragma unroll
  for (int i = 0; i < PACK_WORDS; i++) pack.w[i] = 0;
#pragma unroll
  for (int j = 0; j < V; j++) {
#if SIAM_DTYPE == 0
    pack.w[j] = __float_as_uint(in[j]);
#else
    pack.w[j / 2] |= (unsigned)narrow(in[j]) << (16 * (j % 2));
#endif
  }
  return pack;
}

SIAM_DEVICE void load(const Element* p, float (&out)[V]) { unpack(fetch(p), out); }
SIAM_DEVICE void store(Element* p, const float (&in)[V]) { put(p, packed(in)); }
SIAM_DEVICE void load_floats(const float* p, float (&out)[V]) {
#pragma unroll
  for (int j = 0; j < V; j++) out[j] = p[j];
}
