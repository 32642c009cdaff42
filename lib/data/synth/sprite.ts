/** The objects: an outline filled with a pattern, each class a pair of the two, each object with colours and proportions of its own. */
import { hsv, mix, pack, shade } from './color.ts'
import type { Random } from './random.ts'
import { type Texture, valueNoise } from './texture.ts'

export const shapes = ['disc', 'box', 'triangle', 'hexagon', 'star', 'blob', 'gear', 'cross'] as const
export const patterns = ['striped', 'checked', 'dotted', 'ringed', 'marbled', 'zigzag', 'quartered', 'spoked'] as const
export type Shape = (typeof shapes)[number]
export type Pattern = (typeof patterns)[number]

export interface ObjectClass {
  shape: Shape
  pattern: Pattern
}

/** Half-size copies for small pictures, so that fine patterns do not flicker. Coordinates -1..1 span a texture's whole side. */
export interface Sprite {
  levels: Texture[]
}

/** Side of the largest level, pixels; power of two. */
const side = 128
/** Outlines stay within this radius, so that the border of the texture is always transparent. */
const reach = 0.94

/** Classes of the two splits have nothing in common, as in GOT-10k: a class is of the validation set when (shape + pattern) mod 4 is 3. */
export function classesOf(split: 'train' | 'val'): ObjectClass[] {
  const classes: ObjectClass[] = []
  for (const [i, shape] of shapes.entries()) {
    for (const [j, pattern] of patterns.entries()) if (((i + j) % 4 === 3) === (split === 'val')) classes.push({ shape, pattern })
  }
  return classes
}

/** Draws an object of a class. @param hue main hue, turns */
export function makeSprite(random: Random, { shape, pattern }: ObjectClass, hue: number): Sprite {
  const outline = makeOutline(random, shape)
  const first = hsv(hue, random.uniform(0.65, 1), random.uniform(0.6, 1))
  const second = hsv(hue + random.uniform(0.25, 0.75), random.uniform(0.3, 1), random.chance(0.5) ? random.uniform(0.75, 1) : random.uniform(0.08, 0.3))
  const rim = random.chance(0.6) ? shade(first, random.chance(0.5) ? 0.35 : 1.4) : first
  const fill = makePattern(random, pattern)
  const light = random.uniform(0, 2 * Math.PI)
  const [lightX, lightY] = [0.3 * Math.cos(light), 0.3 * Math.sin(light)]
  const spots = Array.from({ length: random.integer(0, 3) }, () => ({ u: random.uniform(-0.4, 0.4), v: random.uniform(-0.4, 0.4), r: random.uniform(0.08, 0.18), color: random.chance(0.5) ? pack(245, 245, 240) : pack(15, 15, 20) }))
  const data = new Uint32Array(side * side)
  for (let y = 0; y < side; y += 1) {
    const v = ((y + 0.5) / side) * 2 - 1
    for (let x = 0; x < side; x += 1) {
      const u = ((x + 0.5) / side) * 2 - 1
      const radius = Math.hypot(u, v)
      // Distance to the outline along the ray, in pixels: 0 at the edge; one pixel of it is the soft edge.
      const inside = ((outline(Math.atan2(v, u)) * reach - radius) * side) / 2
      let color = mix(first, second, Math.round(256 * Math.max(0, Math.min(1, fill(u, v)))))
      if (inside < 5) color = rim
      for (const spot of spots) if (Math.hypot(u - spot.u, v - spot.v) < spot.r) color = spot.color
      color = shade(color, 1 + lightX * u + lightY * v - 0.15 * radius)
      const alpha = Math.round(255 * Math.max(0, Math.min(1, inside + 0.5)))
      data[y * side + x] = ((color & 0xffffff) | (alpha << 24)) >>> 0
    }
  }
  return { levels: withHalves({ width: side, height: side, data }, 3) }
}

/** A bar with a two-tone grain, to pass in front of a target. */
export function makeBar(random: Random, colors: readonly [number, number, number]): Sprite {
  const noise = valueNoise(random, side, side, 8, 3)
  const data = Uint32Array.from({ length: side * side }, (_, i) => {
    const x = (i % side) / side
    const edge = x < 0.04 || x > 0.96
    return edge ? colors[2] : mix(colors[0], colors[1], Math.round(256 * Math.max(0, Math.min(1, (noise[i] ?? 0) * 2 - 0.5))))
  })
  return { levels: withHalves({ width: side, height: side, data }, 3) }
}

/** Radius 0..1 by angle. */
function makeOutline(random: Random, shape: Shape): (angle: number) => number {
  const turn = random.uniform(-0.2, 0.2)
  const regular = (corners: number) => (angle: number): number => {
    const step = (2 * Math.PI) / corners
    const local = (((angle + turn + Math.PI / 2) % step) + step) % step
    return Math.cos(step / 2) / Math.cos(local - step / 2)
  }
  switch (shape) {
    case 'disc':
      return () => 1
    case 'box': {
      const n = random.uniform(5, 14)
      return (angle) => 0.76 * (Math.abs(Math.cos(angle)) ** n + Math.abs(Math.sin(angle)) ** n) ** (-1 / n)
    }
    case 'triangle':
      return regular(3)
    case 'hexagon':
      return regular(random.integer(5, 6))
    case 'star': {
      const points = random.integer(4, 6)
      const depth = random.uniform(0.25, 0.4)
      return (angle) => 1 - depth * (1 - Math.abs(Math.cos((points / 2) * (angle + turn))))
    }
    case 'blob': {
      const waves = [2, 3, 4, 5].map((n) => ({ n, phase: random.uniform(0, 2 * Math.PI), size: random.uniform(0.02, 0.11) }))
      const total = waves.reduce((sum, wave) => sum + wave.size, 0)
      return (angle) => waves.reduce((r, wave) => r + wave.size * Math.cos(wave.n * angle + wave.phase), 1 - total)
    }
    case 'gear': {
      const teeth = random.integer(6, 10)
      return (angle) => 0.86 + 0.14 * Math.max(-1, Math.min(1, 3 * Math.sin(teeth * (angle + turn))))
    }
    case 'cross': {
      const arm = random.uniform(0.32, 0.45)
      return (angle) => {
        const [c, s] = [Math.abs(Math.cos(angle + turn)), Math.abs(Math.sin(angle + turn))]
        const long = Math.min(1, Math.max(c, s) === 0 ? 1 : 0.95 / Math.max(c, s))
        return Math.min(c, s) * long <= arm ? long : arm / Math.min(c, s)
      }
    }
  }
}

/** How much of the second colour there is, 0..1, at a place -1..1. */
function makePattern(random: Random, pattern: Pattern): (u: number, v: number) => number {
  const angle = random.uniform(0, Math.PI)
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
  const frequency = random.uniform(2, 4)
  const sharp = (t: number): number => 0.5 + 4 * t
  switch (pattern) {
    case 'striped':
      return (u, v) => sharp(Math.sin(frequency * Math.PI * (u * cos + v * sin)))
    case 'checked':
      return (u, v) => sharp(Math.sin(frequency * Math.PI * (u * cos + v * sin)) * Math.sin(frequency * Math.PI * (v * cos - u * sin)))
    case 'dotted':
      return (u, v) => sharp(Math.cos(frequency * 4 * (u * cos + v * sin)) + Math.cos(frequency * 4 * (v * cos - u * sin)) - 0.9)
    case 'ringed': {
      const [cu, cv] = [random.uniform(-0.3, 0.3), random.uniform(-0.3, 0.3)]
      return (u, v) => sharp(Math.sin(frequency * Math.PI * 1.2 * Math.hypot(u - cu, v - cv)))
    }
    case 'marbled': {
      const size = 64
      const noise = valueNoise(random, size, size, 4, 4)
      return (u, v) => sharp((noise[Math.floor(((v + 1) / 2) * (size - 1)) * size + Math.floor(((u + 1) / 2) * (size - 1))] ?? 0) * 1.6 - 0.8)
    }
    case 'zigzag':
      return (u, v) => {
        const across = Math.abs((((u * cos + v * sin) * frequency) % 1) - 0.5)
        return sharp(Math.sin(Math.PI * (frequency * 1.5 * (v * cos - u * sin) + 2 * across)))
      }
    case 'quartered':
      return (u, v) => sharp(3 * (u * cos + v * sin) * (v * cos - u * sin))
    case 'spoked': {
      const spokes = random.integer(3, 6)
      return (u, v) => sharp(Math.sin(spokes * Math.atan2(v, u) + angle))
    }
  }
}

function withHalves(texture: Texture, count: number): Texture[] {
  const levels = [texture]
  for (let i = 1; i < count; i += 1) levels.push(half(levels[i - 1] as Texture))
  return levels
}

function half({ width, data }: Texture): Texture {
  const n = width / 2
  const out = new Uint32Array(n * n)
  for (let y = 0; y < n; y += 1) {
    for (let x = 0; x < n; x += 1) {
      const i = 2 * y * width + 2 * x
      out[y * n + x] = mix(mix(data[i] ?? 0, data[i + 1] ?? 0, 128), mix(data[i + width] ?? 0, data[i + width + 1] ?? 0, 128), 128)
    }
  }
  return { width: n, height: n, data: out }
}
