/** Depthwise cross-correlation by its definition. */

export interface XcorrSizes {
  n: number
  c: number
  h: number
  w: number
  kh: number
  kw: number
}

/** out, and the gradients of Σ out·weight, in float64. */
export function xcorrReference({ n, c, h, w, kh, kw }: XcorrSizes, x: Float32Array, k: Float32Array, weight: Float32Array) {
  const oh = h - kh + 1
  const ow = w - kw + 1
  const out = new Float64Array(n * c * oh * ow)
  const dx = new Float64Array(x.length)
  const dk = new Float64Array(k.length)
  for (let q = 0; q < n * c; q++) {
    for (let oy = 0; oy < oh; oy++) {
      for (let ox = 0; ox < ow; ox++) {
        const o = (q * oh + oy) * ow + ox
        for (let i = 0; i < kh; i++) {
          for (let j = 0; j < kw; j++) {
            const xi = (q * h + oy + i) * w + ox + j
            const ki = (q * kh + i) * kw + j
            out[o]! += x[xi]! * k[ki]!
            dx[xi]! += weight[o]! * k[ki]!
            dk[ki]! += weight[o]! * x[xi]!
          }
        }
      }
    }
  }
  return { out, dx, dk }
}
