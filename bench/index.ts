/**
 * The index of a data set of TrackingNet's size: how long it takes to build and to open from the cache in a fresh process, and in how much
 * memory. Annotations are fabricated; no frame files are needed.
 *
 *   node bench/index.ts [--sequences 30000] [--frames-per-sequence 467] [--rounds 3] [--json] [--check]
 *
 * --check fails where opening takes more than 1 s (median; the addon's loading, which comes before, is told beside it) or leaves more than 400 MB
 * resident, everything included.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { indexDatasets } from '../lib/data/open-datasets.ts'
import type { LoaderSpec } from '../lib/native/addon.ts'
import { loadAddon } from '../lib/native/load.ts'
import { fabricateAnnotations, registerTrackingNetLike, trackingNetLike } from './lib/trackingnet-like.ts'
import { timingOf } from './lib/stats.ts'
import { benchLoaderSpec } from './lib/loader-spec.ts'

/** The data set that is measured; TrackingNetDataset itself, once frames may be missing for it. */
const dataset = trackingNetLike
const limits = { openSeconds: 1, residentMegabytes: 400 }

interface Memory {
  residentMegabytes: number
  /** Of them, pages of files: the mapped index and the libraries, which the system takes back when it needs memory. */
  fileMegabytes: number
  peakMegabytes: number
}

interface Opened {
  /** Loading the addon with libtorch, which a training does anyway. */
  addonSeconds: number
  /** indexDatasets and a sampler on top: from a configuration to the first pair. */
  indexSeconds: number
  fromCache: boolean
  sequences: number
  frames: number
  cacheBytes: number
  before: Memory
  after: Memory
  /** After so many pairs that nearly every page of the boxes was touched. */
  afterSampling: Memory
}

function memory(): Memory {
  const status = readFileSync('/proc/self/status', 'utf8')
  const of = (key: string): number => Math.round((Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1]) * 1024) / 1e6)
  return { residentMegabytes: of('VmRSS'), fileMegabytes: of('RssFile'), peakMegabytes: of('VmHWM') }
}

/** What a child does: index (from the cache or not), draw pairs, report. */
async function work(root: string): Promise<Opened> {
  registerTrackingNetLike()
  const begun = performance.now()
  const addon = loadAddon()
  const addonSeconds = (performance.now() - begun) / 1000
  const before = memory()
  const started = performance.now()
  const setting = { name: dataset, configPath: 'bench', params: { dataset_root: root }, ratio: 1, maxDiff: 100 }
  const { indexes, reports } = await indexDatasets({ datasets: [setting], indexCache: 'user' }, { log: (line) => process.stderr.write(`${line}\n`) })
  const spec = samplerSpec(indexes)
  addon.samplePairs(spec, 0, 0, 0, 1)
  const indexSeconds = (performance.now() - started) / 1000
  const after = memory()
  const [report] = reports
  if (report === undefined) throw new Error('no report')
  const draws = Math.min(300_000, report.frames)
  for (let drawn = 0; drawn < draws; drawn += 10_000) addon.samplePairs(spec, 0, drawn, 0, 10_000)
  return { addonSeconds, indexSeconds, fromCache: report.fromCache, sequences: report.sequences, frames: report.frames, cacheBytes: report.cacheBytes, before, after, afterSampling: memory() }
}

function samplerSpec(datasets: LoaderSpec['datasets']): LoaderSpec {
  return benchLoaderSpec(datasets, { negativePairRatio: 0.1, symmetricWindow: false, queueBatches: 1 })
}

function child(root: string, cache: string): Opened & { processSeconds: number } {
  const begun = performance.now()
  const env = { ...process.env, XDG_CACHE_HOME: cache, SIAMFCPP_INDEX_CACHE: 'user' }
  const result = spawnSync(process.execPath, [fileURLToPath(import.meta.url), '--child', root], { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'inherit'] })
  if (result.status !== 0) throw new Error(`a child of the bench ended with ${result.status ?? result.signal}`)
  return { ...(JSON.parse(result.stdout) as Opened), processSeconds: (performance.now() - begun) / 1000 }
}

function integer(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new Error(`Expected an integer of at least 1 for --${name} but received ${text}`)
  return value
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      sequences: { type: 'string', default: '30000' },
      'frames-per-sequence': { type: 'string', default: '467' },
      rounds: { type: 'string', default: '3' },
      json: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      child: { type: 'string' },
    },
  })
  if (values.child !== undefined) {
    process.stdout.write(JSON.stringify(await work(values.child)))
    return
  }
  const [sequences, frames, rounds] = [integer('sequences', values.sequences), integer('frames-per-sequence', values['frames-per-sequence']), integer('rounds', values.rounds)]
  const say = (text: string): void => void process.stderr.write(`${text}\n`)
  const folder = mkdtempSync(path.join(os.tmpdir(), 'siamfcpp-bench-index-'))
  try {
    const [root, cache] = [path.join(folder, 'data'), path.join(folder, 'cache')]
    const begun = performance.now()
    fabricateAnnotations(root, sequences, frames)
    say(`annotations of ${sequences} sequences, ${sequences * frames} frames, made in ${((performance.now() - begun) / 1000).toFixed(1)} s`)
    const built = child(root, cache)
    const opened = Array.from({ length: rounds }, () => child(root, cache))
    if (built.fromCache || opened.some((run) => !run.fromCache || run.frames !== sequences * frames)) throw new Error('the index was not opened from the cache')
    const worst = (of: (run: Opened) => number): number => Math.max(...opened.map(of))
    const ours = timingOf(opened.map((run) => run.indexSeconds))
    const report = {
      sequences,
      frames: built.frames,
      ours: ours.median,
      baseline: built.indexSeconds,
      ratio: ours.median / built.indexSeconds,
      unit: 's',
      build: { seconds: built.indexSeconds, peakMegabytes: built.after.peakMegabytes },
      open: {
        seconds: timingOf(opened.map((run) => run.indexSeconds)),
        addonSeconds: timingOf(opened.map((run) => run.addonSeconds)),
        beforeMegabytes: worst((run) => run.before.residentMegabytes),
        residentMegabytes: worst((run) => run.after.residentMegabytes),
        peakMegabytes: worst((run) => run.after.peakMegabytes),
        sampled: { residentMegabytes: worst((run) => run.afterSampling.residentMegabytes), fileMegabytes: worst((run) => run.afterSampling.fileMegabytes) },
      },
      cacheMegabytes: built.cacheBytes / 1e6,
      limits,
    }
    process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : describe(report))
    const [seconds, resident] = [report.open.seconds.median, report.open.residentMegabytes]
    if (values.check && (seconds > limits.openSeconds || resident > limits.residentMegabytes)) {
      say(`too much: ${seconds.toFixed(2)} s and ${resident} MB, of ${limits.openSeconds} s and ${limits.residentMegabytes} MB`)
      process.exitCode = 1
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function describe(report: { sequences: number; frames: number; build: { seconds: number; peakMegabytes: number }; open: { seconds: { median: number }; addonSeconds: { median: number }; beforeMegabytes: number; residentMegabytes: number; sampled: { residentMegabytes: number; fileMegabytes: number } }; cacheMegabytes: number }): string {
  const { build, open } = report
  return `${[
    `${report.sequences} sequences, ${report.frames} frames; the cached index has ${report.cacheMegabytes.toFixed(1)} MB`,
    `built in ${build.seconds.toFixed(1)} s, ${build.peakMegabytes} MB at the peak`,
    `opened from the cache in ${open.seconds.median.toFixed(3)} s (and ${open.addonSeconds.median.toFixed(3)} s for the addon): ${open.residentMegabytes} MB resident, ${open.beforeMegabytes} of them before`,
    `after sampling all over: ${open.sampled.residentMegabytes} MB resident, ${open.sampled.fileMegabytes} of them pages of files`,
  ].join('\n')}\n`
}

await main()
