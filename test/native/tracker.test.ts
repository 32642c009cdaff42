/** The tracker's errors, frame forms and state, on tiny random networks: no golden numbers here. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync, readFileSync, copyFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { PNG } from 'pngjs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig, type Config } from '../../lib/config/index.ts'
import { buildModel } from '../../lib/engine/builders.ts'
import type { Model } from '../../lib/engine/model.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { trackSequence } from '../../lib/tracking/runner.ts'
import { buildTracker } from '../../lib/tracking/build.ts'
import type { SiamFCppTracker } from '../../lib/tracking/siamfcpp-tracker.ts'
import { buildSiamFCpp } from '../helpers/siamfcpp-tracker.ts'
import { shared } from '../helpers/shared.ts'

const yaml = (): string => shared('reference-configs', 'train', 'got10k', 'siamfcpp_tinyconv-trn.yaml')
const width = 160
const height = 120

/** A frame of coloured noise-like texture with its object at (x, y). */
function pixels(x = 60, y = 40, w = width, h = height): Uint8Array {
  const data = new Uint8Array(w * h * 3)
  for (let row = 0; row < h; row += 1) {
    for (let column = 0; column < w; column += 1) {
      const at = 3 * (row * w + column)
      const inside = column >= x && column < x + 30 && row >= y && row < y + 20
      data[at] = inside ? 220 : (column * 7 + row * 3) % 120
      data[at + 1] = inside ? 40 : (column * 5 + row * 11) % 140
      data[at + 2] = inside ? 90 : (column + row * 2) % 160
    }
  }
  return data
}

describe('SiamFCppTracker', () => {
  let dir: string
  let config: Config
  let model: Model
  let tracker: SiamFCppTracker
  let jpeg: string

  beforeAll(async () => {
    dir = mkdtempSync(path.join(tmpdir(), 'siam-tracker-'))
    config = await loadConfig(yaml())
    model = await buildModel(config, { part: 'test', pretrained: false, seed: 3 })
    jpeg = path.join(dir, 'frame.jpg')
    writeFileSync(jpeg, loadAddon().encodeJpeg(pixels(), width, height, { quality: 95, subsampling: '444', format: 'bgr' }))
  })
  afterAll(() => {
    model.dispose()
    rmSync(dir, { recursive: true, force: true })
  })
  beforeEach(async () => {
    tracker = await buildSiamFCpp(config, { model })
  })
  afterEach(() => tracker.dispose())

  const frame = () => ({ data: pixels(), width, height, channels: 3, format: 'bgr' as const })
  const box = [60, 40, 30, 20] as const

  it('gives one result for one picture, whatever form it comes in', async () => {
    const rgb = pixels()
    for (let i = 0; i < rgb.length; i += 3) [rgb[i], rgb[i + 2]] = [rgb[i + 2] as number, rgb[i] as number]
    const rgba = new Uint8Array((rgb.length / 3) * 4).fill(255)
    for (let i = 0; i < rgb.length / 3; i += 1) rgba.set(rgb.subarray(3 * i, 3 * i + 3), 4 * i)
    const png = new PNG({ width, height })
    png.data = Buffer.from(rgba)
    const pngFile = path.join(dir, 'frame.png')
    writeFileSync(pngFile, PNG.sync.write(png))
    const results = []
    for (const form of [frame(), { data: rgb, width, height, channels: 3, format: 'rgb' as const }, { data: rgba, width, height, channels: 4, format: 'rgb' as const }, pngFile, readFileSync(pngFile)]) {
      await tracker.init(form, box)
      results.push(await tracker.update(form))
    }
    for (const result of results) expect(result).toEqual(results[0])
    await tracker.init(jpeg, box)
    const fromFile = await tracker.update(jpeg)
    await tracker.init(readFileSync(jpeg), box)
    expect(await tracker.update(readFileSync(jpeg))).toEqual(fromFile)
  })

  it('takes grey pixels', async () => {
    const grey = new Uint8Array(width * height).map((_, i) => (i * 37) % 251)
    const tripled = new Uint8Array(grey.length * 3).map((_, i) => grey[Math.floor(i / 3)] as number)
    await tracker.init({ data: grey, width, height, channels: 1, format: 'bgr' }, box)
    const one = await tracker.update({ data: grey, width, height, channels: 1, format: 'bgr' })
    await tracker.init({ data: tripled, width, height, channels: 3, format: 'bgr' }, box)
    expect(await tracker.update({ data: tripled, width, height, channels: 3, format: 'bgr' })).toEqual(one)
  })

  it('keeps calls in order without waiting between them', async () => {
    await tracker.init(jpeg, box)
    const alone = [await tracker.update(jpeg), await tracker.update(frame()), await tracker.update(jpeg)]
    await tracker.init(jpeg, box)
    expect(await Promise.all([tracker.update(jpeg), tracker.update(frame()), tracker.update(jpeg)])).toEqual(alone)
  })

  it('leaves a training model in training mode and its statistics alone', async () => {
    model.train()
    const before = await model.stateDict()
    await tracker.init(frame(), box)
    const first = await tracker.update(frame())
    const after = await model.stateDict()
    for (const [i, entry] of before.entries()) expect(Buffer.compare(entry.data, after[i]?.data as Uint8Array), entry.name).toBe(0)
    model.eval()
    await tracker.init(frame(), box)
    expect(await tracker.update(frame())).toEqual(first)
  })

  it('keeps the box within the limits: at least min_w × min_h, centre in the frame', async () => {
    await tracker.init(frame(), [150, 110, 30, 30])
    for (let i = 0; i < 5; i += 1) {
      const [x, y, w, h] = (await tracker.update(frame())).box
      expect(w).toBeGreaterThanOrEqual(10)
      expect(h).toBeGreaterThanOrEqual(10)
      expect(x + (w - 1) / 2).toBeLessThanOrEqual(width + 1e-3)
      expect(y + (h - 1) / 2).toBeLessThanOrEqual(height + 1e-3)
    }
  })

  it('has a uniform window, too', async () => {
    const uniform = await loadConfig(yaml(), ['test.track.pipeline.SiamFCppTracker.windowing=uniform'])
    using other = await buildSiamFCpp(uniform, { model })
    await other.init(frame(), box)
    const { score, penalty, pscore } = await other.updateWithDetails(frame())
    expect(pscore).toBeCloseTo(score * penalty * (1 - 0.21) + 0.21, 5)
  })

  it.each([
    [[0, 0, 0, 10], /positive width and height/],
    [[0, 0, 10, -1], /positive width and height/],
    [[Number.NaN, 0, 10, 10], /four finite numbers/],
    [[1, 2, 3], /four finite numbers/],
    [[400, 10, 20, 20], /overlaps the frame of 160x120 but received 400,10,20,20/],
    [[-50, 10, 20, 20], /overlaps the frame/],
  ])('refuses the first box %j', async (bad, message) => {
    await expect(tracker.init(frame(), bad as unknown as [number, number, number, number])).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(message) })
    await expect(tracker.update(frame())).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/init\(\)/) })
  })

  it('refuses frames that cannot be read, names the file, and goes on from the last good one', async () => {
    const truncated = path.join(dir, 'truncated.jpg')
    copyFileSync(jpeg, truncated)
    truncateSync(truncated, Math.floor(readFileSync(jpeg).length * 0.6))
    const textFile = path.join(dir, 'text.jpg')
    writeFileSync(textFile, 'not a picture\n')
    const empty = path.join(dir, 'empty.jpg')
    writeFileSync(empty, '')
    await tracker.init(jpeg, box)
    const first = await tracker.update(jpeg)
    const second = await tracker.update(jpeg)
    await tracker.init(jpeg, box)
    expect(await tracker.update(jpeg)).toEqual(first)
    await expect(tracker.update(path.join(dir, 'missing.jpg'))).rejects.toMatchObject({ code: 'ERR_IO', file: path.join(dir, 'missing.jpg') })
    await expect(tracker.update(truncated)).rejects.toMatchObject({ code: 'ERR_DATA', file: truncated })
    await expect(tracker.update(textFile)).rejects.toMatchObject({ code: 'ERR_DATA', file: textFile, message: expect.stringMatching(/a JPEG, PNG or WebP frame but it starts with "not a picture/) })
    await expect(tracker.update(empty)).rejects.toMatchObject({ code: 'ERR_DATA', file: empty, message: expect.stringMatching(/empty/) })
    await expect(tracker.update(Buffer.from('\x89PNG rubbish'))).rejects.toMatchObject({ code: 'ERR_DATA' })
    expect(await tracker.update(jpeg)).toEqual(second)
  })

  it('refuses a frame of another size', async () => {
    await tracker.init(frame(), box)
    await expect(tracker.update({ data: pixels(0, 0, 80, 60), width: 80, height: 60, channels: 3, format: 'bgr' })).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(/160x120.*80x60/),
    })
  })

  it.each([
    [{ data: pixels(), width: 0, height, channels: 3, format: 'bgr' }, /frame\.width/],
    [{ data: pixels(), width, height, channels: 2, format: 'bgr' }, /1, 3 or 4/],
    [{ data: pixels(), width, height, channels: 3, format: 'yuv' }, /'rgb' or 'bgr'/],
    [{ data: pixels().subarray(1), width, height, channels: 3, format: 'bgr' }, /57600 bytes/],
    [{ data: [1, 2, 3], width, height, channels: 3, format: 'bgr' }, /Uint8Array/],
    [42, /a path/],
    ['', /a path/],
  ])('refuses a frame that is none (%#)', async (bad, message) => {
    await expect(tracker.init(bad as never, box)).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(message) })
  })

  it('takes the clamped bytes of a canvas', async () => {
    const bytes = pixels()
    await tracker.init({ data: bytes, width, height, channels: 3, format: 'rgb' }, box)
    const plain = await tracker.update({ data: bytes, width, height, channels: 3, format: 'rgb' })
    const clamped = new Uint8ClampedArray(bytes)
    await tracker.init({ data: clamped, width, height, channels: 3, format: 'rgb' }, box)
    expect(await tracker.update({ data: clamped, width, height, channels: 3, format: 'rgb' })).toEqual(plain)
  })

  it('says when the network gives no finite numbers', async () => {
    const own = await buildModel(config, { part: 'test', pretrained: false })
    const state = await own.stateDict()
    await own.loadStateDict(state.map((entry) => (entry.name === 'head.bi' ? { ...entry, data: new Uint8Array(Float32Array.of(Number.NaN).buffer) } : entry)))
    using broken = await buildTracker(config, { model: own })
    await broken.init(frame(), box)
    await expect(broken.update(frame())).rejects.toMatchObject({ code: 'ERR_NONFINITE' })
    own.dispose()
  })

  it('needs weights, of this network, and one source of them', async () => {
    const none = await loadConfig(yaml(), ['test.track.model.task_model.SiamTrack.pretrain_model_path=""'])
    await expect(buildTracker(none)).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/no weights/) })
    await expect(buildTracker(config, { weights: path.join(dir, 'missing.pkl') })).rejects.toMatchObject({ code: 'ERR_IO' })
    await expect(buildTracker(config, { weights: jpeg })).rejects.toMatchObject({ code: 'ERR_CHECKPOINT' })
    await expect(buildTracker(config, { model, weights: 'x.pkl' })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
    const alexnet = await loadConfig(shared('reference-configs', 'train', 'got10k', 'siamfcpp_alexnet-trn.yaml'))
    await expect(buildTracker(alexnet, { weights: shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl') })).rejects.toMatchObject({ code: 'ERR_CHECKPOINT', message: expect.stringMatching(/another model/) })
  })

  it('takes no path for a configuration, no unknown option, and no path for a list of frames', async () => {
    await expect(buildTracker('my.yaml' as never, { model })).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: 'Expected what loadConfig() gives for config but received "my.yaml" of type string' })
    await expect(buildTracker(config, { wieghts: 'x.pkl' } as never)).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/"wieghts"/), hint: 'did you mean weights?' })
    for (const frames of ['frames/', undefined, new Uint8Array(4)]) {
      await expect(trackSequence(tracker, frames as never, box).next()).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/an iterable or async iterable of frames/) })
    }
  })

  it('finds sizes that do not fit the network', async () => {
    const small = await loadConfig(yaml(), ['test.track.pipeline.SiamFCppTracker.x_size=127'])
    await expect(buildTracker(small, { model })).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringMatching(/no score map/) })
    const other = await loadConfig(yaml(), ['test.track.pipeline.SiamFCppTracker.x_size=287'])
    await expect(buildTracker(other, { model })).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringMatching(/287, score map of 15 cells.*303, 17, 8/) })
  })

  it('refuses use after dispose', async () => {
    const gone = await buildTracker(config, { model })
    gone.dispose()
    gone.dispose()
    await expect(gone.init(frame(), box)).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    await expect(gone.update(frame())).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    expect(model.disposed).toBe(false)
  })

  it('runs over a sequence and stops when it is told to', async () => {
    const frames = [frame(), frame(), frame(), frame()]
    const steps = []
    for await (const step of trackSequence(tracker, frames, box)) steps.push(step)
    expect(steps.map((step) => step.frame)).toEqual([0, 1, 2, 3])
    expect(steps[0]).toMatchObject({ box: [...box], score: 1 })
    expect(steps.every((step) => step.seconds > 0)).toBe(true)
    const controller = new AbortController()
    const seen: number[] = []
    await expect(
      (async () => {
        for await (const step of trackSequence(tracker, frames, box, { signal: controller.signal })) {
          seen.push(step.frame)
          if (step.frame === 1) controller.abort(new Error('enough'))
        }
      })(),
    ).rejects.toThrow('enough')
    expect(seen).toEqual([0, 1])
  })
})
