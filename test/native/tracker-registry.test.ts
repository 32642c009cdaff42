/** Trackers by name: this package's, a user's own, and none. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../lib/config/index.ts'
import { buildModel } from '../../lib/engine/builders.ts'
import type { Model } from '../../lib/engine/model.ts'
import { buildTracker } from '../../lib/tracking/build.ts'
import { registerTracker, type TrackerContext } from '../../lib/tracking/registry.ts'
import type { Tracker } from '../../lib/tracking/tracker.ts'
import { shared } from '../helpers/shared.ts'

const yaml = (): string => shared('reference-configs', 'train', 'got10k', 'siamfcpp_tinyconv-trn.yaml')
const weights = (): string => shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl')

/** A tracker that says the target stands still. */
class StillTracker implements Tracker {
  readonly name = 'StillTracker'
  disposed = false
  box: [number, number, number, number] = [0, 0, 0, 0]
  readonly context: TrackerContext

  constructor(context: TrackerContext) {
    this.context = context
  }

  async init(_frame: unknown, box: readonly [number, number, number, number]): Promise<void> {
    this.box = [...box]
  }

  async update(): Promise<{ box: [number, number, number, number]; score: number }> {
    return { box: this.box, score: 1 }
  }

  dispose(): void {
    this.disposed = true
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

describe('trackers by name', () => {
  let dir: string
  beforeAll(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'siam-trackers-'))
    registerTracker('StillTracker', (context) => new StillTracker(context))
    registerTracker('FailingTracker', async (context) => {
      loaded.push(await context.loadModel())
      throw new Error('no such luck')
    })
  })
  afterAll(() => rmSync(dir, { recursive: true, force: true }))
  const loaded: Model[] = []

  it.each(['SiamFCppTracker', 'SiamFCppMultiTempTracker', 'SiamFCppLTTracker', 'SiamFCppOneShotDetector'])('%s is built with its defaults where the file has no section for it', async (name) => {
    const config = await loadConfig(yaml(), [`test.track.pipeline.name=${name}`, 'test.track.model.task_head.DenseboxHead.input_size_adapt=true'])
    using tracker = await buildTracker(config, { weights: weights() })
    expect(tracker.name).toBe(name)
    tracker.dispose()
    await expect(tracker.update('x.jpg')).rejects.toMatchObject({ code: 'ERR_DISPOSED', message: expect.stringContaining(name) })
  })

  it("a user's own gets its section, and needs no weights when it loads no model", async () => {
    const file = path.join(dir, 'own.yaml')
    writeFileSync(file, 'test:\n  track:\n    pipeline:\n      name: StillTracker\n      StillTracker: {patience: 3}\n')
    const config = await loadConfig(file)
    expect(config.warnings).toEqual([])
    using tracker = await buildTracker(config)
    expect(tracker).toBeInstanceOf(StillTracker)
    expect((tracker as StillTracker).context).toMatchObject({ name: 'StillTracker', params: { patience: 3 }, precision: 'fp32', ownsModel: true })
    await tracker.init('frame.jpg', [1, 2, 3, 4])
    expect(await tracker.update('frame.jpg')).toEqual({ box: [1, 2, 3, 4], score: 1 })
  })

  it('the model of a tracker that cannot be built is disposed, unless it was passed in', async () => {
    const config = await loadConfig(yaml(), ['test.track.pipeline.name=FailingTracker'])
    await expect(buildTracker(config, { weights: weights() })).rejects.toThrow('no such luck')
    expect(loaded.at(-1)!.disposed).toBe(true)
    using model = await buildModel(config, { part: 'test', pretrained: false })
    await expect(buildTracker(config, { model })).rejects.toThrow('no such luck')
    expect(loaded.at(-1)).toBe(model)
    expect(model.disposed).toBe(false)
  })

  it('says which trackers there are, where the name stands, and what may have been meant', async () => {
    const file = path.join(dir, 'typo.yaml')
    writeFileSync(file, 'test:\n  track:\n    pipeline:\n      name: SiamFCppTraker\n')
    await expect(buildTracker(await loadConfig(file))).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringMatching(/no tracker "SiamFCppTraker"; known are .*SiamFCppLTTracker/),
      file,
      line: 4,
      hint: 'did you mean SiamFCppTracker?',
    })
    writeFileSync(file, 'test:\n  track:\n    pipeline:\n      name: Zzz\n')
    await expect(buildTracker(await loadConfig(file))).rejects.toMatchObject({ code: 'ERR_CONFIG', hint: expect.stringMatching(/registerTracker/) })
  })

  it('refuses a name that is taken, and what is no factory', () => {
    expect(() => registerTracker('SiamFCppTracker', (context) => new StillTracker(context))).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }))
    expect(() => registerTracker('Other', 3 as never)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/a function/) }))
  })

  it('refuses a precision that is none', async () => {
    const config = await loadConfig(yaml())
    using model = await buildModel(config, { part: 'test', pretrained: false })
    await expect(buildTracker(config, { model, precision: 'fp64' as never })).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/'fp32', 'bf16', 'fp16' or 'int8'/) })
  })
})
