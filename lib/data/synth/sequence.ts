/** One synthetic sequence: what moves how, and frame by frame the picture and its annotation. */
import { type Wave, makeWave, steadyWave, waveAt } from './motion.ts'
import { Random } from './random.ts'
import { type Canvas, type Extent, type Light, type Pose, blur, drawBackground, drawSprite, finish, makeCanvas, makeNoise } from './render.ts'
import { type ObjectClass, type Sprite, classesOf, makeBar, makeSprite } from './sprite.ts'
import { type Texture, occluderColors, paintBackground } from './texture.ts'

export interface SequenceSpec {
  seed: number
  split: 'train' | 'val'
  /** 0-based number within the split. */
  index: number
  frames: number
  width: number
  height: number
}

/** One frame as GOT-10k annotates it. */
export interface SyntheticFrame {
  /** RGB, width × height × 3; valid until the next frame is drawn. */
  pixels: Uint8Array
  /** Left, top, width, height of the target within the picture, pixels, 0-based; its hidden parts count. */
  box: [number, number, number, number]
  /** Visible share of the target in eighths, 0..8. */
  cover: number
  absent: boolean
  cutByImage: boolean
}

interface Actor {
  sprite: Sprite
  x: Wave
  y: Wave
  /** Natural logarithm of the size relative to the base. */
  scale: Wave
  angle: Wave
  bend: number
  bendSpeed: number
  halfWidth: number
  halfHeight: number
}

/** A bar that crosses the target. */
interface Occluder {
  sprite: Sprite
  /** Frame at which it is right over the target. */
  middle: number
  /** Frames from one side to the other. */
  duration: number
  direction: number
  /** Sizes relative to the target's. */
  halfWidth: number
  halfHeight: number
  angle: number
}

/** A sequence that can be drawn, frame by frame and in any order. The same spec always gives the same pixels. */
export class SyntheticSequence {
  readonly spec: SequenceSpec
  readonly objectClass: ObjectClass
  readonly #background: Texture
  readonly #target: Actor
  readonly #distractors: { actor: Actor; inFront: boolean }[]
  readonly #occluders: Occluder[]
  readonly #camera: { x: Wave; y: Wave; angle: Wave; zoom: Wave }
  readonly #light: { gain: Wave; warmth: Wave; slopeX: Wave; slopeY: Wave; noise: number }
  readonly #blurFrames: Map<number, { taps: number; axis: 'x' | 'y' }>
  readonly #canvas: Canvas
  readonly #noise: Float32Array
  readonly #pixels: Uint8Array

  constructor(spec: SequenceSpec) {
    this.spec = spec
    const random = new Random(spec.seed, spec.split === 'train' ? 1 : 2, spec.index)
    const classes = classesOf(spec.split)
    const hue = random.uniform()
    this.objectClass = random.pick(classes)
    this.#background = paintBackground(random, 1024, 512, hue + random.uniform(0.3, 0.7))
    const size = random.uniform(0.15, 0.25) * Math.min(spec.width, spec.height)
    this.#target = makeActor(random, makeSprite(random, this.objectClass, hue), spec, size, 1)
    this.#distractors = Array.from({ length: random.pick([0, 0, 0, 1, 1, 2]) }, () => {
      const sprite = makeSprite(random, random.pick(classes), hue + random.uniform(0.15, 0.85))
      return { actor: makeActor(random, sprite, spec, size * random.uniform(0.6, 1.1), 0.8), inFront: random.chance(0.15) }
    })
    this.#occluders = makeOccluders(random, spec.frames, hue)
    this.#camera = {
      x: steadyWave(random, random.uniform(0, 1024), random.uniform(-2.5, 2.5), random.uniform(4, 16)),
      y: steadyWave(random, random.uniform(0, 512), random.uniform(-0.8, 0.8), random.uniform(2, 8)),
      angle: makeWave(random, 0, random.uniform(0, 0.06), 40, 120),
      zoom: makeWave(random, random.uniform(0.85, 1.1), random.uniform(0, 0.06), 50, 120),
    }
    this.#light = {
      gain: makeWave(random, random.uniform(0.8, 1.08), random.uniform(0, 0.16), 25, 90),
      warmth: makeWave(random, random.uniform(-0.06, 0.06), random.uniform(0, 0.05), 40, 120),
      slopeX: makeWave(random, random.uniform(-0.25, 0.25), random.uniform(0, 0.15), 40, 120),
      slopeY: makeWave(random, random.uniform(-0.2, 0.2), random.uniform(0, 0.1), 40, 120),
      noise: random.uniform(1, 6),
    }
    this.#blurFrames = makeBlur(random, spec.frames)
    this.#canvas = makeCanvas(spec.width, spec.height)
    this.#noise = makeNoise(random)
    this.#pixels = new Uint8Array(spec.width * spec.height * 3)
  }

  /** Draws frame k (0-based). */
  frame(k: number): SyntheticFrame {
    const { width, height } = this.spec
    const canvas = this.#canvas
    drawBackground(canvas, this.#background, { x: waveAt(this.#camera.x, k), y: waveAt(this.#camera.y, k), angle: waveAt(this.#camera.angle, k), zoom: waveAt(this.#camera.zoom, k) })
    canvas.mask.fill(0)
    for (const { actor, inFront } of this.#distractors) if (!inFront) drawSprite(canvas, actor.sprite, poseAt(actor, k), 0)
    const pose = poseAt(this.#target, k)
    const extent = drawSprite(canvas, this.#target.sprite, pose, 1)
    for (const { actor, inFront } of this.#distractors) if (inFront) drawSprite(canvas, actor.sprite, poseAt(actor, k), 0)
    for (const occluder of this.#occluders) drawOccluder(canvas, occluder, pose, k)
    const smear = this.#blurFrames.get(k)
    if (smear !== undefined) blur(canvas, smear.taps, smear.axis)
    finish(canvas, this.#lightAt(k), this.#noise, Math.imul(k + 1, 0x9e3779b1) >>> 16, this.#pixels)
    return { pixels: this.#pixels, ...annotate(extent, visibleArea(canvas.mask), width, height) }
  }

  #lightAt(k: number): Light {
    const gain = waveAt(this.#light.gain, k)
    const warmth = waveAt(this.#light.warmth, k)
    return { red: gain * (1 + warmth), green: gain, blue: gain * (1 - warmth), slopeX: waveAt(this.#light.slopeX, k), slopeY: waveAt(this.#light.slopeY, k), noise: this.#light.noise }
  }
}

/** @param size  side of a square of the actor's area, pixels  @param reach  how much of the picture its path takes, 0..1 */
function makeActor(random: Random, sprite: Sprite, spec: SequenceSpec, size: number, reach: number): Actor {
  const aspect = Math.exp(random.uniform(-0.45, 0.45))
  const scaleRange = random.uniform(0.1, 0.3)
  const [halfWidth, halfHeight] = [(size / 2) * Math.sqrt(aspect) * 1.12, (size / 2 / Math.sqrt(aspect)) * 1.12]
  const marginX = halfWidth * Math.exp(scaleRange) * 0.8
  const marginY = halfHeight * Math.exp(scaleRange) * 0.8
  const roomX = Math.max(0.05 * spec.width, spec.width / 2 - marginX) * reach
  const roomY = Math.max(0.05 * spec.height, spec.height / 2 - marginY) * reach
  return {
    sprite,
    x: makeWave(random, spec.width / 2, roomX, 45, 110, 0.55),
    y: makeWave(random, spec.height / 2, roomY, 40, 100, 0.55),
    scale: makeWave(random, 0, scaleRange, 35, 90),
    angle: makeWave(random, random.uniform(-0.4, 0.4), random.uniform(0.05, 0.35), 30, 90),
    bend: random.uniform(0, 0.07),
    bendSpeed: random.uniform(0.05, 0.3),
    halfWidth,
    halfHeight,
  }
}

function poseAt(actor: Actor, k: number): Pose {
  const scale = Math.exp(waveAt(actor.scale, k))
  return {
    x: waveAt(actor.x, k),
    y: waveAt(actor.y, k),
    halfWidth: actor.halfWidth * scale,
    halfHeight: actor.halfHeight * scale,
    angle: waveAt(actor.angle, k),
    bend: actor.bend,
    bendPhase: actor.bendSpeed * k,
  }
}

/** About one crossing in 40 frames, never in the first 8: the template is to be seen whole. */
function makeOccluders(random: Random, frames: number, hue: number): Occluder[] {
  const occluders: Occluder[] = []
  for (let at = 8 + random.integer(4, 40); at < frames; at += random.integer(28, 70)) {
    const duration = random.integer(8, 18)
    occluders.push({
      sprite: makeBar(random, occluderColors(random, hue + random.uniform(0.3, 0.7))),
      middle: Math.max(at, 8 + duration / 2),
      duration,
      direction: random.sign(),
      halfWidth: random.uniform(0.14, 0.3),
      halfHeight: random.uniform(1.3, 3),
      angle: random.uniform(-0.35, 0.35),
    })
  }
  return occluders
}

function drawOccluder(canvas: Canvas, occluder: Occluder, target: Pose, k: number): void {
  const progress = (k - occluder.middle) / occluder.duration
  if (progress < -1 || progress > 1) return
  const size = (target.halfWidth + target.halfHeight) / 2
  drawSprite(
    canvas,
    occluder.sprite,
    {
      // From two target sizes on one side to two on the other.
      x: target.x + occluder.direction * progress * 4 * size,
      y: target.y,
      halfWidth: occluder.halfWidth * size,
      halfHeight: occluder.halfHeight * size,
      angle: occluder.angle,
      bend: 0,
      bendPhase: 0,
    },
    0,
  )
}

function makeBlur(random: Random, frames: number): Map<number, { taps: number; axis: 'x' | 'y' }> {
  const blurred = new Map<number, { taps: number; axis: 'x' | 'y' }>()
  for (let k = random.integer(3, 30); k < frames; k += random.integer(12, 40)) {
    const kind = { taps: random.pick([3, 3, 5, 7]), axis: random.pick(['x', 'y'] as const) }
    const length = random.integer(1, 4)
    for (let i = k; i < Math.min(frames, k + length); i += 1) blurred.set(i, kind)
  }
  return blurred
}

function visibleArea(mask: Uint8Array): number {
  let count = 0
  for (let i = 0; i < mask.length; i += 1) count += mask[i] as number
  return count
}

/** Boxes end at the picture's border, as GOT-10k's do. */
function annotate(extent: Extent | null, visible: number, width: number, height: number): Omit<SyntheticFrame, 'pixels'> {
  const x1 = Math.max(0, extent?.x1 ?? 0)
  const y1 = Math.max(0, extent?.y1 ?? 0)
  const x2 = Math.min(width - 1, extent?.x2 ?? -1)
  const y2 = Math.min(height - 1, extent?.y2 ?? -1)
  if (extent === null || x2 < x1 || y2 < y1) return { box: [0, 0, 0, 0], cover: 0, absent: true, cutByImage: false }
  const cutByImage = extent.x1 < 0 || extent.y1 < 0 || extent.x2 >= width || extent.y2 >= height
  return { box: [x1, y1, x2 - x1 + 1, y2 - y1 + 1], cover: Math.ceil((8 * visible) / extent.area - 0.5), absent: visible === 0, cutByImage }
}
