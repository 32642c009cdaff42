/** Textures that repeat seamlessly: value noise, and backgrounds painted from it. */
import { hsv, mix, pack, shade } from './color.ts'
import type { Random } from './random.ts'

/** A packed RGBA image whose sides are powers of two, so that coordinates wrap by a mask. */
export interface Texture {
  width: number
  height: number
  data: Uint32Array
}

/**
 * Sum of octaves of smooth value noise, repeating at the borders.
 * @param cells  cells across the width in the first octave (power of two)
 * @returns width × height values of about 0..1
 */
export function valueNoise(random: Random, width: number, height: number, cells: number, octaves: number): Float32Array {
  const out = new Float32Array(width * height)
  let amplitude = 1
  let sum = 0
  for (let octave = 0, n = cells; octave < octaves && n <= width / 2; octave += 1, n *= 2) {
    addOctave(out, random, width, height, n, amplitude)
    sum += amplitude
    amplitude *= 0.5
  }
  for (let i = 0; i < out.length; i += 1) out[i] = (out[i] ?? 0) / sum
  return out
}

function addOctave(out: Float32Array, random: Random, width: number, height: number, cellsX: number, amplitude: number): void {
  const cellsY = Math.max(1, (cellsX * height) / width)
  const lattice = Float32Array.from({ length: cellsX * cellsY }, () => random.uniform())
  const column = new Int32Array(width)
  const weight = new Float32Array(width)
  for (let x = 0; x < width; x += 1) {
    const u = (x * cellsX) / width
    column[x] = Math.floor(u)
    weight[x] = smooth(u - Math.floor(u))
  }
  const row = new Float32Array(cellsX + 1)
  for (let y = 0; y < height; y += 1) {
    const v = (y * cellsY) / height
    const top = Math.floor(v)
    const wy = smooth(v - top)
    const bottom = ((top + 1) % cellsY) * cellsX
    for (let c = 0; c < cellsX; c += 1) {
      const a = lattice[top * cellsX + c] ?? 0
      row[c] = a + ((lattice[bottom + c] ?? 0) - a) * wy
    }
    row[cellsX] = row[0] ?? 0
    for (let x = 0, i = y * width; x < width; x += 1, i += 1) {
      const c = column[x] as number
      const a = row[c] as number
      out[i] = (out[i] as number) + amplitude * (a + ((row[c + 1] as number) - a) * (weight[x] as number))
    }
  }
}

function smooth(t: number): number {
  return t * t * (3 - 2 * t)
}

/** Colours from dark to light that a background is made of. */
function palette(random: Random, hue: number): number[] {
  const spread = random.uniform(0.02, 0.12)
  return [0, 1, 2, 3].map((i) => hsv(hue + (i - 1.5) * spread, random.uniform(0.05, 0.25), 0.32 + 0.09 * i + random.uniform(-0.04, 0.04)))
}

/**
 * A background: noise in a few colours of one hue, with blocks, discs and lines on it, as walls, ground and clutter have.
 * @param hue  turns
 */
export function paintBackground(random: Random, width: number, height: number, hue: number): Texture {
  const noise = valueNoise(random, width, height, random.pick([4, 8]), 6)
  const colors = palette(random, hue)
  const lookup = Uint32Array.from({ length: 256 }, (_, i) => {
    const t = (Math.max(0, Math.min(1, (i / 255 - 0.22) / 0.56)) * (colors.length - 1)) / 1.0001
    const k = Math.floor(t)
    return mix(colors[k] ?? 0, colors[k + 1] ?? 0, Math.round((t - k) * 256))
  })
  const data = new Uint32Array(width * height)
  for (let i = 0; i < data.length; i += 1) data[i] = lookup[Math.min(255, Math.floor((noise[i] ?? 0) * 255))] ?? 0
  const texture = { width, height, data }
  const clutter = random.integer(8, 20)
  for (let i = 0; i < clutter; i += 1) paintClutter(texture, random, shade(random.pick(colors), random.uniform(0.7, 1.3)))
  return texture
}

/** One block, disc or line of clutter, half-transparent over what is there, wrapping at the borders. */
function paintClutter(texture: Texture, random: Random, color: number): void {
  const { width, height, data } = texture
  const kind = random.integer(0, 2)
  const [cx, cy] = [random.uniform(0, width), random.uniform(0, height)]
  const angle = random.uniform(0, Math.PI)
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
  const a = kind === 2 ? random.uniform(40, 160) : random.uniform(8, 55)
  const b = kind === 2 ? random.uniform(1, 4) : kind === 1 ? a * random.uniform(0.6, 1) : random.uniform(8, 55)
  const opacity = random.uniform(60, 160)
  const reach = Math.ceil(Math.hypot(a, b))
  for (let dy = -reach; dy <= reach; dy += 1) {
    const row = ((Math.floor(cy) + dy) & (height - 1)) * width
    for (let dx = -reach; dx <= reach; dx += 1) {
      const u = (dx * cos + dy * sin) / a
      const v = (dy * cos - dx * sin) / b
      const inside = kind === 1 ? u * u + v * v < 1 : Math.abs(u) < 1 && Math.abs(v) < 1
      if (!inside) continue
      const i = row + ((Math.floor(cx) + dx) & (width - 1))
      data[i] = mix(data[i] ?? 0, color, opacity) | 0xff000000
    }
  }
}

/** A texture of one colour and its shades, for poles and leaves in front of the target. */
export function occluderColors(random: Random, hue: number): [number, number, number] {
  const value = random.uniform(0.2, 0.6)
  const color = hsv(hue, random.uniform(0.1, 0.5), value)
  return [color, shade(color, 0.75), pack(30, 30, 30)]
}
