/**
 * The loader itself: what it adds to a sample, what reading ahead gains on a slow disk and costs on a fast one, what the cache keeps, and
 * how much memory it takes. Frames of 1920×1080 are made here.
 *
 *   node bench/loader.ts [--json] [--rounds 5] [--only overhead|fast|slow|cache|memory]
 *
 * CPU time is the whole process's, so it holds on a machine that is shared; pairs a second are only good on one that is idle. The baseline
 * is the same loader without what is measured, in turns with it.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { LoaderSpec, LoaderStats } from '../lib/native/addon.ts'
import { loadAddon } from '../lib/native/load.ts'
import { median } from '../lib/pipeline/median.ts'
import { benchLoaderSpec } from './lib/loader-spec.ts'

const addon = loadAddon()

interface FrameSet {
  dir: string
  count: number
  width: number
  height: number
}

/** Waves under noise: about 180 KB for 1920×1080, as video frames have. */
function writeSet(dir: string, count: number, width: number, height: number): FrameSet {
  mkdirSync(dir, { recursive: true })
  const pixels = new Uint8Array(width * height * 3)
  let noise = 1
  for (let k = 0; k < count; k += 1) {
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        noise = (Math.imul(noise, 1664525) + 1013904223) >>> 0
        const value = 128 + 60 * Math.sin((x + 7 * k) / 31) * Math.cos(y / 23) + (noise >>> 28)
        for (let c = 0; c < 3; c += 1) pixels[(y * width + x) * 3 + c] = value + 11 * c
      }
    }
    writeFileSync(path.join(dir, `${String(k + 1).padStart(8, '0')}.jpg`), addon.encodeJpeg(pixels, width, height, { quality: 72, subsampling: '420', format: 'bgr' }))
  }
  return { dir, count, width, height }
}

function loaderSpec(set: FrameSet, more: Partial<LoaderSpec>): LoaderSpec {
  const [w, h] = [set.width / 12, set.height / 8]
  const boxes = Array.from({ length: set.count }, (_, k) => [set.width * 0.3 + k, set.height * 0.35, set.width * 0.3 + k + w, set.height * 0.35 + h])
  const dataset = {
    name: 'bench',
    ratio: 1,
    maxDiff: set.count,
    sequenceDirs: [set.dir],
    framePatterns: ['%08d.jpg'],
    firstNumbers: Int32Array.of(1),
    frameNames: [null],
    sequenceStart: Uint32Array.of(0, set.count),
    boxes: Float32Array.from(boxes.flat()),
  }
  return benchLoaderSpec([dataset], { queueBatches: 4, ...more })
}

interface Run {
  pairsPerSecond: number
  cpuMicroseconds: number
  stats: LoaderStats
}

/** One loader, warmed up, then counted over a number of samples made. */
async function run(spec: LoaderSpec, samples: number, warmUp: number): Promise<Run> {
  const loader = addon.createLoader(spec)
  const make = async (count: number): Promise<void> => {
    const end = loader.stats().samples + count
    while (loader.stats().samples < end) for (const tensor of Object.values((await loader.next()).tensors)) tensor.dispose()
  }
  await make(warmUp)
  const [before, cpu, start] = [loader.stats(), process.cpuUsage(), performance.now()]
  await make(samples)
  const [stats, used, seconds] = [loader.stats(), process.cpuUsage(cpu), (performance.now() - start) / 1000]
  await loader.close()
  const made = stats.samples - before.samples
  return { pairsPerSecond: made / seconds, cpuMicroseconds: (used.user + used.system) / made, stats }
}

const round = (value: number, digits = 2): number => Number(value.toFixed(digits))

/** Two specs in turns. */
async function compare(ours: LoaderSpec, baseline: LoaderSpec, samples: number, warmUp: number, rounds: number) {
  const runs: { ours: Run[]; baseline: Run[] } = { ours: [], baseline: [] }
  for (let i = 0; i < rounds; i += 1) {
    for (const side of i % 2 === 0 ? (['ours', 'baseline'] as const) : (['baseline', 'ours'] as const)) runs[side].push(await run(side === 'ours' ? ours : baseline, samples, warmUp))
  }
  const of = (side: Run[]) => ({
    pairsPerSecond: round(median(side.map((one) => one.pairsPerSecond)), 1),
    cpuMicroseconds: round(median(side.map((one) => one.cpuMicroseconds)), 1),
    cpuMicrosecondsMin: round(Math.min(...side.map((one) => one.cpuMicroseconds)), 1),
    readAheadThreads: Math.max(...side.map((one) => one.stats.readAheadThreads)),
  })
  const [a, b] = [of(runs.ours), of(runs.baseline)]
  return { ours: a, baseline: b, speed: round(a.pairsPerSecond / b.pairsPerSecond), cpu: round(a.cpuMicroseconds / b.cpuMicroseconds, 3), cpuOfMinima: round(a.cpuMicrosecondsMin / b.cpuMicrosecondsMin, 3) }
}

/** Frames of 64×48 and the smallest crops: what remains is the loader. */
async function overhead(set: FrameSet, rounds: number) {
  const tiny: Partial<LoaderSpec> = { crop: { ...loaderSpec(set, {}).crop, zSize: 8, xSize: 16 }, target: { totalStride: 8, scoreSize: 1, xSize: 16, numConv3x3: 0 } }
  const rows = []
  for (const readAheadThreads of [0, 32]) {
    for (const threads of [1, 2]) {
      const outside: number[] = []
      const all: number[] = []
      for (let i = 0; i < rounds; i += 1) {
        const { cpuMicroseconds, stats } = await run(loaderSpec(set, { ...tiny, threads, readAheadThreads }), 40_000, 4000)
        const inside = ((stats.readSeconds + stats.decodeSeconds + stats.meanSeconds + stats.warpSeconds) * 1e6) / stats.samples
        all.push(cpuMicroseconds)
        outside.push(cpuMicroseconds - inside)
      }
      rows.push({ threads, readAheadThreads, cpuMicroseconds: round(median(all), 1), outsideOfStages: round(median(outside), 1), outsideOfStagesMin: round(Math.min(...outside), 1) })
    }
  }
  return rows
}

/** Peak memory of a process of its own that runs a loader, beyond what it had before. */
function memory(set: FrameSet, more: Partial<LoaderSpec>) {
  const child = spawnSync(process.execPath, [fileURLToPath(import.meta.url), '--measure-memory', JSON.stringify({ set, more })], { encoding: 'utf8' })
  if (child.status !== 0) throw new Error(`the measuring process failed: ${child.stderr}`)
  return JSON.parse(child.stdout) as { beforeMB: number; peakMB: number; aboveMB: number }
}

async function measureMemory(set: FrameSet, more: Partial<LoaderSpec>): Promise<void> {
  const status = (key: string): number => Number(new RegExp(`${key}:\\s*(\\d+) kB`).exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1000
  const before = status('VmRSS')
  await run(loaderSpec(set, more), 3000, 0)
  const peak = status('VmHWM')
  process.stdout.write(JSON.stringify({ beforeMB: round(before, 0), peakMB: round(peak, 0), aboveMB: round(peak - before, 0) }))
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { json: { type: 'boolean', default: false }, rounds: { type: 'string', default: '5' }, only: { type: 'string' }, 'measure-memory': { type: 'string' } } })
  if (values['measure-memory'] !== undefined) {
    const { set, more } = JSON.parse(values['measure-memory']) as { set: FrameSet; more: Partial<LoaderSpec> }
    return await measureMemory(set, more)
  }
  const rounds = Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`Expected a number of rounds for --rounds but received ${values.rounds}`)
  const wants = (name: string): boolean => values.only === undefined || values.only === name
  const say = (name: string, value: unknown): void => void process.stderr.write(`${name}: ${JSON.stringify(value)}\n`)
  const report: Record<string, unknown> = { unit: 'pairs/s', rounds, cpu: os.cpus()[0]?.model ?? 'unknown', cores: os.availableParallelism() }
  const add = (name: string, value: unknown): void => {
    report[name] = value
    say(name, value)
  }
  const work = mkdtempSync(path.join(os.tmpdir(), 'siamfcpp-bench-loader-'))
  try {
    if (wants('overhead')) add('overhead', await overhead(writeSet(path.join(work, 'tiny'), 24, 64, 48), rounds))
    const large = writeSet(path.join(work, 'large'), 48, 1920, 1080)
    if (wants('fast')) {
      for (const threads of [1, 2]) add(`pageCache${threads}`, await compare(loaderSpec(large, { threads, readAheadThreads: 32 }), loaderSpec(large, { threads }), 400, 200, rounds))
      // A delay that just starts the threads that read: what they cost is seen in the CPU time.
      const delayed = { threads: 2, readDelayMicroseconds: 400 }
      add('whileReading', await compare(loaderSpec(large, { ...delayed, readAheadThreads: 32 }), loaderSpec(large, delayed), 400, 200, rounds))
    }
    if (wants('slow')) {
      for (const [threads, milliseconds] of [[1, 20], [2, 20], [2, 50]] as const) {
        const delayed = { threads, readDelayMicroseconds: milliseconds * 1000 }
        const slow = await compare(loaderSpec(large, { ...delayed, readAheadThreads: 32 }), loaderSpec(large, delayed), 160, 160, Math.min(rounds, 3))
        const fast = await run(loaderSpec(large, { threads }), 300, 100)
        const entry = { ...slow, withoutDelay: round(fast.pairsPerSecond, 1), shareOfFast: round(slow.ours.pairsPerSecond / fast.pairsPerSecond) }
        add(`slow${threads}x${milliseconds}ms`, entry)
        if (threads === 2 && milliseconds === 20) Object.assign(report, { ours: slow.ours.pairsPerSecond, baseline: slow.baseline.pairsPerSecond, ratio: slow.speed })
      }
    }
    if (wants('cache')) {
      const cache = addon.createFrameCache(64 * 2 ** 20)
      const delayed = { threads: 2, readDelayMicroseconds: 20_000 }
      await run(loaderSpec(large, { ...delayed, cache, readAheadThreads: 32 }), 400, 0)
      const { ours, ...rest } = await compare(loaderSpec(large, { ...delayed, cache }), loaderSpec(large, delayed), 160, 64, Math.min(rounds, 3))
      const { stats } = await run(loaderSpec(large, { ...delayed, cache }), 64, 0)
      add('cache', { ours, ...rest, hits: stats.cacheHits, misses: stats.cacheMisses, frames: stats.cacheFrames, bytes: stats.cacheBytes })
      cache.dispose()
    }
    if (wants('memory')) {
      const asked = { threads: 8, batchSize: 32, queueBatches: 4 }
      add('memory', { plain: memory(large, asked), readAhead: memory(large, { ...asked, readAheadThreads: 32, readDelayMicroseconds: 5000 }) })
    }
    if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

await main()
