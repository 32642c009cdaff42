/** Drawing into a frame: warped background, sprites over it, then light, blur and noise. */
import type { Random } from './random.ts'
import type { Sprite } from './sprite.ts'
import type { Texture } from './texture.ts'

/** The canvas of a sequence; buffers are used again for every frame. */
export interface Canvas {
  width: number
  height: number
  /** Packed RGBA. */
  pixels: Uint32Array
  /** 1 where the target is what one sees. */
  mask: Uint8Array
  scratch: Uint32Array
}

export function makeCanvas(width: number, height: number): Canvas {
  const size = width * height
  return { width, height, pixels: new Uint32Array(size), mask: new Uint8Array(size), scratch: new Uint32Array(size) }
}

/** Where and how a sprite is drawn. Lengths in pixels of the frame. */
export interface Pose {
  x: number
  y: number
  /** Half of the sprite's sides. */
  halfWidth: number
  halfHeight: number
  /** Radians. */
  angle: number
  /** Waves that bend the sprite: size as a share of its side, phase in radians. */
  bend: number
  bendPhase: number
}

/** What a drawn sprite covers, parts outside the frame included: left-top and right-bottom pixel, both inside; area in pixels. */
export interface Extent {
  x1: number
  y1: number
  x2: number
  y2: number
  area: number
}

const sineSize = 1024
const sine = Float64Array.from({ length: sineSize }, (_, i) => Math.sin((i * 2 * Math.PI) / sineSize))
const sineScale = sineSize / (2 * Math.PI)

/** Fills the frame from a repeating texture seen through a camera (texture pixels, radians, texture pixels a frame pixel). */
export function drawBackground(canvas: Canvas, texture: Texture, camera: { x: number; y: number; angle: number; zoom: number }): void {
  const { width, height, pixels } = canvas
  const { data } = texture
  const maskX = texture.width - 1
  const maskY = texture.height - 1
  const shift = 31 - Math.clz32(texture.width)
  // 16.16 fixed point: two additions a pixel, and the same result everywhere.
  const stepX = Math.round(Math.cos(camera.angle) * camera.zoom * 65536)
  const stepY = Math.round(Math.sin(camera.angle) * camera.zoom * 65536)
  const startX = Math.round(camera.x * 65536) - Math.floor((width * stepX - height * stepY) / 2)
  const startY = Math.round(camera.y * 65536) - Math.floor((width * stepY + height * stepX) / 2)
  for (let y = 0, i = 0; y < height; y += 1) {
    let u = (startX - y * stepY) | 0
    let v = (startY + y * stepX) | 0
    for (let x = 0; x < width; x += 1, i += 1) {
      const column = (u >> 16) & maskX
      const top = ((v >> 16) & maskY) << shift
      const bottom = (((v >> 16) + 1) & maskY) << shift
      const next = (column + 1) & maskX
      pixels[i] = blend4(data[top + column] as number, data[top + next] as number, data[bottom + column] as number, data[bottom + next] as number, (u >> 8) & 255, (v >> 8) & 255)
      u = (u + stepX) | 0
      v = (v + stepY) | 0
    }
  }
}

/** Bilinear mix of four packed colours, weights 0..255. */
function blend4(a: number, b: number, c: number, d: number, wx: number, wy: number): number {
  const vx = 256 - wx
  const vy = 256 - wy
  const evenTop = ((Math.imul(a & 0xff00ff, vx) + Math.imul(b & 0xff00ff, wx)) >>> 8) & 0xff00ff
  const evenBottom = ((Math.imul(c & 0xff00ff, vx) + Math.imul(d & 0xff00ff, wx)) >>> 8) & 0xff00ff
  const oddTop = ((Math.imul((a >>> 8) & 0xff00ff, vx) + Math.imul((b >>> 8) & 0xff00ff, wx)) >>> 8) & 0xff00ff
  const oddBottom = ((Math.imul((c >>> 8) & 0xff00ff, vx) + Math.imul((d >>> 8) & 0xff00ff, wx)) >>> 8) & 0xff00ff
  const even = ((Math.imul(evenTop, vy) + Math.imul(evenBottom, wy)) >>> 8) & 0xff00ff
  const odd = (Math.imul(oddTop, vy) + Math.imul(oddBottom, wy)) & 0xff00ff00
  return even | odd
}

/**
 * Draws a sprite over the frame.
 * @param markTarget  1: its pixels become target in the mask; 0: they hide the target there
 * @returns the extent of what is at least half opaque, or null when that is nothing
 */
export function drawSprite(canvas: Canvas, sprite: Sprite, pose: Pose, markTarget: 0 | 1): Extent | null {
  const { width, height, pixels, mask } = canvas
  const level = chooseLevel(sprite, Math.max(pose.halfWidth, pose.halfHeight))
  const { data } = level
  const size = level.width
  const [cos, sin] = [Math.cos(pose.angle), Math.sin(pose.angle)]
  const grow = 1 + Math.abs(pose.bend)
  const reachX = grow * (Math.abs(cos) * pose.halfWidth + Math.abs(sin) * pose.halfHeight) + 1
  const reachY = grow * (Math.abs(sin) * pose.halfWidth + Math.abs(cos) * pose.halfHeight) + 1
  const [fromX, toX] = [Math.floor(pose.x - reachX), Math.ceil(pose.x + reachX)]
  const [fromY, toY] = [Math.floor(pose.y - reachY), Math.ceil(pose.y + reachY)]
  const extent: Extent = { x1: Infinity, y1: Infinity, x2: -Infinity, y2: -Infinity, area: 0 }
  const phase = pose.bendPhase * sineScale
  for (let y = fromY; y <= toY; y += 1) {
    const dy = y - pose.y
    const insideRows = y >= 0 && y < height
    for (let x = fromX; x <= toX; x += 1) {
      const dx = x - pose.x
      let u = (dx * cos + dy * sin) / pose.halfWidth
      let v = (dy * cos - dx * sin) / pose.halfHeight
      if (pose.bend !== 0) {
        u += pose.bend * (sine[(v * 2.2 * sineScale + phase) & (sineSize - 1)] as number)
        v += pose.bend * 0.7 * (sine[(u * 1.7 * sineScale + 1.3 * phase) & (sineSize - 1)] as number)
      }
      if (u <= -1 || u >= 1 || v <= -1 || v >= 1) continue
      const color = sample(data, size, u, v)
      const alpha = color >>> 24
      if (alpha === 0) continue
      if (alpha >= 128) {
        extent.area += 1
        if (x < extent.x1) extent.x1 = x
        if (x > extent.x2) extent.x2 = x
        if (y < extent.y1) extent.y1 = y
        if (y > extent.y2) extent.y2 = y
      }
      if (!insideRows || x < 0 || x >= width) continue
      const i = y * width + x
      pixels[i] = over(pixels[i] as number, color, alpha + (alpha >>> 7))
      if (alpha >= 128) mask[i] = markTarget
    }
  }
  return extent.area === 0 ? null : extent
}

/** Bilinear, clamped at the border. */
function sample(data: Uint32Array, size: number, u: number, v: number): number {
  const limit = (size - 1) * 256
  const fx = Math.max(0, Math.min(limit, ((u + 1) * size * 128 - 128) | 0))
  const fy = Math.max(0, Math.min(limit, ((v + 1) * size * 128 - 128) | 0))
  const [x, y] = [fx >> 8, fy >> 8]
  const right = x + 1 < size ? 1 : 0
  const i = y * size + x
  const j = y + 1 < size ? i + size : i
  return blend4(data[i] as number, data[i + right] as number, data[j] as number, data[j + right] as number, fx & 255, fy & 255)
}

function over(below: number, above: number, weight: number): number {
  const rest = 256 - weight
  const even = ((Math.imul(below & 0xff00ff, rest) + Math.imul(above & 0xff00ff, weight)) >>> 8) & 0xff00ff
  const green = ((Math.imul((below >>> 8) & 0xff, rest) + Math.imul((above >>> 8) & 0xff, weight)) >>> 8) & 0xff
  return even | (green << 8) | 0xff000000
}

function chooseLevel(sprite: Sprite, halfSize: number): Texture {
  const fitting = sprite.levels.findLast((level) => level.width >= halfSize * 1.4)
  return fitting ?? (sprite.levels[0] as Texture)
}

/** Averages `taps` (odd) neighbours along one axis: what a moving or unsharp camera does. */
export function blur(canvas: Canvas, taps: number, axis: 'x' | 'y'): void {
  const { width, height, pixels, scratch } = canvas
  const reach = (taps - 1) / 2
  const factor = Math.round(65536 / taps)
  const [outer, inner, outerStep, step] = axis === 'x' ? [height, width, width, 1] : [width, height, 1, width]
  for (let o = 0; o < outer; o += 1) {
    const base = o * outerStep
    for (let k = 0; k < inner; k += 1) {
      let [r, g, b] = [0, 0, 0]
      for (let t = k - reach; t <= k + reach; t += 1) {
        const color = pixels[base + Math.max(0, Math.min(inner - 1, t)) * step] as number
        r += color & 255
        g += (color >>> 8) & 255
        b += (color >>> 16) & 255
      }
      scratch[base + k * step] = ((r * factor + 32768) >> 16) | (((g * factor + 32768) >> 16) << 8) | (((b * factor + 32768) >> 16) << 16)
    }
  }
  pixels.set(scratch)
}

/** Light of one frame: gain of each channel, and how it falls off across the picture. */
export interface Light {
  red: number
  green: number
  blue: number
  /** Relative change from the left to the right border, and from the top to the bottom. */
  slopeX: number
  slopeY: number
  /** Standard deviation of the noise, grey levels. */
  noise: number
}

const noiseSize = 1 << 16

/** Sensor noise, to be read from a random place on. */
export function makeNoise(random: Random): Float32Array {
  return Float32Array.from({ length: noiseSize }, () => random.normal())
}

/** Applies light and noise. @param out RGB bytes, width × height × 3 */
export function finish(canvas: Canvas, light: Light, noise: Float32Array, noiseStart: number, out: Uint8Array): void {
  const { width, height, pixels } = canvas
  let n = noiseStart
  for (let y = 0, i = 0, o = 0; y < height; y += 1) {
    // Noise repeats after 2^16 values: a jump a row keeps it from showing as a pattern.
    n = (n + 40503) & (noiseSize - 1)
    const rowGain = 1 + light.slopeY * (y / height - 0.5) - light.slopeX * 0.5
    const gainStep = light.slopeX / width
    let gain = rowGain
    for (let x = 0; x < width; x += 1, i += 1, o += 3) {
      const color = pixels[i] as number
      out[o] = toByte((color & 255) * gain * light.red + light.noise * (noise[n] as number))
      out[o + 1] = toByte(((color >>> 8) & 255) * gain * light.green + light.noise * (noise[(n + 7919) & (noiseSize - 1)] as number))
      out[o + 2] = toByte(((color >>> 16) & 255) * gain * light.blue + light.noise * (noise[(n + 15887) & (noiseSize - 1)] as number))
      n = (n + 1) & (noiseSize - 1)
      gain += gainStep
    }
  }
}

function toByte(value: number): number {
  return value <= 0 ? 0 : value >= 255 ? 255 : (value + 0.5) | 0
}
