/** BatchNorm, ReLU and a 3×3 maximum of stride 2, with their gradients, in float64 by the definition. */
import type { RawTensor } from '../../lib/native/addon.ts'

/** Whole 64ths from −4 to 4: exact in every floating-point type that is used. */
export function sixtyFourths(count: number, seed: number): Float32Array {
  let state = seed
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (((state >>> 8) % 511) - 255) / 64
  })
}

export const rawFloats = (values: Float32Array, shape: number[]): RawTensor => ({ dtype: 'float32', shape, data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) })
export const floatsOf = (bytes: Uint8Array): Float32Array => new Float32Array(bytes.slice().buffer)

export interface NormProblem {
  size: [n: number, c: number, h: number, w: number]
  training: boolean
  relu: boolean
  pool?: { padding: number; ceil: boolean }
}

export interface NormValues {
  x: Float32Array
  weight: Float32Array
  bias: Float32Array
  offset: Float32Array
  runningMean: Float32Array
  runningVar: Float32Array
}

export function normValues({ size: [n, c, h, w] }: NormProblem, seed = 1): NormValues {
  const channels = (from: number) => sixtyFourths(c, seed + from)
  return {
    x: sixtyFourths(n * c * h * w, seed),
    weight: channels(1).map((value, i) => (0.25 + Math.abs(value)) * (i % 3 === 1 ? -1 : 1)),
    bias: channels(2).map((value) => value / 4),
    offset: channels(3),
    runningMean: channels(4).map((value) => value / 4),
    runningVar: channels(5).map((value) => 1 + Math.abs(value)),
  }
}

/** @returns the pooled (or not) size of one side */
export function pooledSize(side: number, pool: NormProblem['pool']): number {
  if (pool === undefined) return side
  const out = Math.floor((side + 2 * pool.padding - 3 + (pool.ceil ? 1 : 0)) / 2) + 1
  return pool.ceil && (out - 1) * 2 >= side + pool.padding ? out - 1 : out
}

/** @param dy  gradient of the result */
export function normReference(problem: NormProblem, values: NormValues, dy: Float32Array) {
  const [n, c, h, w] = problem.size
  const { x } = values
  const [plane, oh, ow] = [h * w, pooledSize(h, problem.pool), pooledSize(w, problem.pool)]
  const count = n * plane
  const y = new Float64Array(n * c * oh * ow)
  const dx = new Float64Array(x.length)
  const result = { y, dx, dWeight: new Float64Array(c), dBias: new Float64Array(c), runningMean: new Float64Array(c), runningVar: new Float64Array(c) }
  for (let channel = 0; channel < c; channel++) {
    const places = Array.from({ length: count }, (_, i) => (Math.floor(i / plane) * c + channel) * plane + (i % plane))
    let mean = places.reduce((sum, p) => sum + x[p]!, 0) / count
    let variance = places.reduce((sum, p) => sum + (x[p]! - mean) ** 2, 0) / count
    result.runningMean[channel] = problem.training ? 0.9 * values.runningMean[channel]! + 0.1 * (mean + values.offset[channel]!) : values.runningMean[channel]!
    result.runningVar[channel] = problem.training ? 0.9 * values.runningVar[channel]! + (0.1 * variance * count) / (count - 1) : values.runningVar[channel]!
    if (!problem.training) [mean, variance] = [values.runningMean[channel]!, values.runningVar[channel]!]
    const inverse = 1 / Math.sqrt(variance + 1e-5)
    const scale = inverse * values.weight[channel]!
    const value = (p: number): number => (x[p]! - mean) * scale + values.bias[channel]!
    const g = new Map<number, number>()
    const pass = (p: number, gradient: number): void => {
      if (!problem.relu || value(p) > 0) g.set(p, (g.get(p) ?? 0) + gradient)
    }
    for (let image = 0; image < n; image++) {
      const first = (image * c + channel) * plane
      for (let o = 0; o < oh * ow; o++) {
        const out = (image * c + channel) * oh * ow + o
        let best = first + o
        if (problem.pool !== undefined) {
          best = -1
          for (let i = 0; i < 9; i++) {
            const row = 2 * Math.floor(o / ow) - problem.pool.padding + Math.floor(i / 3)
            const column = 2 * (o % ow) - problem.pool.padding + (i % 3)
            const p = first + row * w + column
            if (row >= 0 && row < h && column >= 0 && column < w && (best < 0 || value(p) > value(best))) best = p
          }
        }
        y[out] = problem.relu ? Math.max(0, value(best)) : value(best)
        pass(best, dy[out]!)
      }
    }
    let [sum, product] = [0, 0]
    for (const [p, gradient] of g) {
      sum += gradient
      product += gradient * (x[p]! - mean)
    }
    result.dBias[channel] = sum
    result.dWeight[channel] = product * inverse
    for (const p of places) {
      const direct = g.get(p) ?? 0
      dx[p] = scale * (problem.training ? direct - sum / count - ((x[p]! - mean) * inverse * inverse * product) / count : direct)
    }
  }
  return result
}

/** Largest difference over the largest expected value. */
export function relativeDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity
  let [worst, scale] = [0, 0]
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!)
    if (!(difference < Infinity)) return Infinity
    worst = Math.max(worst, difference)
    scale = Math.max(scale, Math.abs(expected[i]!))
  }
  return scale > 0 ? worst / scale : worst
}
