/**
 * Several objects in one frame: one MultiObjectTracker beside as many single trackers, in turns within one run.
 *
 *   node bench/track-objects.ts [--config FILE] [--objects 1,2,4,8] [--frames 5] [--rounds 3] [--threads 2] [--json]
 *
 * Weights are random: time does not depend on them. Processor seconds are told beside the wall's, which other programs change more.
 */
import path from 'node:path'
import { parseArgs } from 'node:util'
import { loadConfig } from '../lib/config/index.ts'
import { buildModel } from '../lib/engine/builders.ts'
import type { Model } from '../lib/engine/model.ts'
import { loadAddon, packageRoot } from '../lib/native/load.ts'
import { buildTracker } from '../lib/tracking/build.ts'
import { buildMultiObjectTracker } from '../lib/tracking/multi-object.ts'
import type { Box, Tracker } from '../lib/tracking/tracker.ts'
import { pairedRatio, timingOf, type Timing } from './lib/stats.ts'

const width = 1280
const height = 720

interface Row {
  objects: number
  /** Seconds of a frame. */
  together: Timing
  singles: Timing
  /** Singles over together, median of neighbouring measurements: above 1, together is faster. */
  ratio: number
  ratioCpu: number
}

/** A JPEG of smooth stripes and a little noise. */
function picture(shift: number): Uint8Array {
  const data = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = 3 * (y * width + x)
      data[at] = 128 + 100 * Math.sin((x + shift) / 37)
      data[at + 1] = 128 + 100 * Math.sin(y / 23)
      data[at + 2] = (x * 7 + y * 13 + shift) % 61
    }
  }
  return loadAddon().encodeJpeg(data, width, height, { quality: 90, subsampling: '420', format: 'bgr' })
}

/** Boxes of several sizes all over the frame. */
function boxesOf(count: number): Box[] {
  return Array.from({ length: count }, (_, i) => [60 + ((i * 397) % 1000), 40 + ((i * 211) % 500), 60 + 9 * i, 50 + 7 * i])
}

async function timed(work: () => Promise<void>): Promise<{ wall: number; cpu: number }> {
  const cpu = process.cpuUsage()
  const start = performance.now()
  await work()
  const wall = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpu)
  return { wall, cpu: (user + system) / 1e6 }
}

async function measure(model: Model, configFile: string, objects: number, frames: readonly Uint8Array[], rounds: number): Promise<Row> {
  const config = await loadConfig(configFile, [], { onWarning: () => {} })
  const boxes = boxesOf(objects)
  using together = await buildMultiObjectTracker(config, { model })
  const singles: Tracker[] = []
  for (let i = 0; i < objects; i++) singles.push(await buildTracker(config, { model }))
  const updates = frames.slice(1)
  const ours: { wall: number; cpu: number }[] = []
  const theirs: { wall: number; cpu: number }[] = []
  for (let round = -1; round < rounds; round++) {
    await together.init(frames[0]!, boxes)
    const a = await timed(async () => {
      for (const frame of updates) await together.update(frame)
    })
    for (const [i, single] of singles.entries()) await single.init(frames[0]!, boxes[i]!)
    const b = await timed(async () => {
      for (const frame of updates) for (const single of singles) await single.update(frame)
    })
    // The first round warms up.
    if (round < 0) continue
    ours.push(a)
    theirs.push(b)
  }
  for (const single of singles) single.dispose()
  const perFrame = (runs: readonly { wall: number }[]): number[] => runs.map(({ wall }) => wall / updates.length)
  return {
    objects,
    together: timingOf(perFrame(ours)),
    singles: timingOf(perFrame(theirs)),
    ratio: pairedRatio(perFrame(theirs), perFrame(ours)),
    ratioCpu: pairedRatio(theirs.map(({ cpu }) => cpu), ours.map(({ cpu }) => cpu)),
  }
}

const { values } = parseArgs({
  options: {
    config: { type: 'string', default: path.join(packageRoot(), 'configs', 'siamfcpp_alexnet-got10k.yaml') },
    objects: { type: 'string', default: '1,2,4,8' },
    frames: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
  },
})
await loadAddon().setThreads(Number(values.threads))
const frames = Array.from({ length: Number(values.frames) + 1 }, (_, i) => picture(2 * i))
using model = await buildModel(await loadConfig(values.config, [], { onWarning: () => {} }), { part: 'test', pretrained: false })
const rows: Row[] = []
for (const objects of values.objects.split(',').map(Number)) {
  const row = await measure(model, values.config, objects, frames, Number(values.rounds))
  rows.push(row)
  if (!values.json) {
    const ms = (seconds: number): string => `${(1000 * seconds).toFixed(0)} ms`
    console.log(`${objects} objects: ${ms(row.together.median)} a frame together, ${ms(row.singles.median)} with single trackers; ${row.ratio.toFixed(2)}x as fast, ${row.ratioCpu.toFixed(2)}x by processor time`)
  }
}
if (values.json) console.log(JSON.stringify({ threads: Number(values.threads), rows }))
