/**
 * Training pairs a second: our loader beside Python doing what the original does (bench/python/data_baseline.py), beside the limit that decoding
 * alone sets, and from a pack; in turns within one run, on frames of three sizes that are made here from real ones.
 *
 *   node bench/data.ts [--json] [--rounds 5] [--seconds 1] [--frames DIR] [--only 1920x1080] [--check]
 *
 * DIR holds NNNNNNNN.jpg and groundtruth.txt (VOT polygons or x,y,w,h); default ../shared/data/vot-bag. The Python with cv2 and numpy (and
 * torch, for the labels) is SIAMFCPP_BENCH_PYTHON, else python3. --check fails when a target (bench/lib/data-targets.ts) is missed.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { loadAddon } from '../lib/native/load.ts'
import { median } from '../lib/pipeline/median.ts'
import { packOf } from './lib/bench-pack.ts'
import { PythonBaseline } from './lib/data-python.ts'
import { datasetOf, runDecodeLimit, runLoader, specOf, type LoaderRun, type Speed } from './lib/data-rounds.ts'
import { describeTarget, missed, targetsOf, type Target } from './lib/data-targets.ts'
import { frameSizes, type FrameSet, readSource, writeFrameSets } from './lib/frame-sets.ts'
import { pairedRatio } from './lib/stats.ts'

/** Fits the speeds of the three sizes: some 0.5 to 2 s a round. */
const pythonPairs = 24
const kinds = ['ours', 'known', 'two', 'pack', 'limit', 'python'] as const
type Kind = (typeof kinds)[number]
type Rounds = Record<Kind, Speed[]>

const round = (value: number, digits = 1): number => Number(value.toFixed(digits))
const summary = (speeds: readonly Speed[]): { median: number; min: number; max: number; perCpuSecond: number } => {
  const wall = speeds.map((speed) => speed.wall)
  return { median: round(median(wall)), min: round(Math.min(...wall)), max: round(Math.max(...wall)), perCpuSecond: round(median(speeds.map((speed) => speed.cpu))) }
}
const walls = (speeds: readonly Speed[]): number[] => speeds.map((speed) => speed.wall)
const cpus = (speeds: readonly Speed[]): number[] => speeds.map((speed) => speed.cpu)

interface Options {
  rounds: number
  seconds: number
  work: string
  python: PythonBaseline
}

/** Measures one set of frames, each kind once a round. */
async function measure(set: FrameSet, { rounds, seconds, work, python }: Options): Promise<{ speeds: Rounds; known: LoaderRun[]; two: LoaderRun[] }> {
  await python.use(set)
  const pack = await packOf(set, path.join(work, `pack-${set.frames}-${set.targets}`))
  const frames = datasetOf(set)
  const speeds: Rounds = { ours: [], known: [], two: [], pack: [], limit: [], python: [] }
  const [known, two]: [LoaderRun[], LoaderRun[]] = [[], []]
  try {
    for (let i = 0; i < rounds; i += 1) {
      const answer = await python.run(pythonPairs)
      speeds.python.push({ wall: answer.pairs / answer.seconds, cpu: answer.pairs / answer.cpu })
      speeds.ours.push(await runLoader(specOf(frames, 1, false), seconds))
      known.push(await runLoader(specOf(frames, 1, true), seconds))
      speeds.limit.push(await runDecodeLimit(specOf(frames, 1, true), seconds))
      two.push(await runLoader(specOf(frames, 2, true), seconds))
      speeds.pack.push(await runLoader(specOf(pack, 1, true), seconds))
    }
  } finally {
    pack.dispose()
  }
  return { speeds: { ...speeds, known, two }, known, two }
}

async function reportOf(set: FrameSet, options: Options): Promise<{ entry: Record<string, unknown> & { ratio: number }; targets: Target[]; line: string }> {
  const { speeds, known, two } = await measure(set, options)
  const { ours, pack, limit, python } = speeds
  const figures = {
    ratioMeansKnown: pairedRatio(cpus(known), cpus(python)),
    shareOfLimit: pairedRatio(cpus(known), cpus(limit)),
    // Two threads could do twice as much; less by what a sample costs more beside another, and by what they wait for each other.
    twoThreads: 2 * pairedRatio(cpus(two), cpus(known)) * Math.min(1, median(two.map(({ use }) => use.busyShare)) / median(known.map(({ use }) => use.busyShare))),
    packPairsPerSecond: median(cpus(pack)),
    packRatio: pairedRatio(cpus(pack), cpus(python)),
  }
  const entry = {
    frames: set.frames,
    targets: set.targets,
    kilobytes: round(set.kilobytes),
    ours: summary(ours),
    oursMeansKnown: summary(known),
    oursTwoThreads: summary(two),
    oursPack: summary(pack),
    decodeLimit: summary(limit),
    baseline: summary(python),
    ratio: round(pairedRatio(walls(ours), walls(python)), 2),
    ratioMeansKnown: round(pairedRatio(walls(known), walls(python)), 2),
    ratioPack: round(pairedRatio(walls(pack), walls(python)), 2),
    twoThreadsRatio: round(pairedRatio(walls(two), walls(known)), 2),
    shareOfLimit: round(pairedRatio(walls(known), walls(limit)), 3),
    // The same by processor time.
    cpu: {
      ratio: round(pairedRatio(cpus(ours), cpus(python)), 2),
      ratioMeansKnown: round(figures.ratioMeansKnown, 2),
      ratioPack: round(figures.packRatio, 2),
      twoThreadsRatio: round(figures.twoThreads, 2),
      shareOfLimit: round(figures.shareOfLimit, 3),
    },
    decodeShare: round(median(known.map(({ use }) => use.stages.decode)), 2),
    stages: Object.fromEntries(Object.keys(known[0]!.use.stages).map((stage) => [stage, round(median(known.map(({ use }) => use.stages[stage as keyof typeof use.stages])), 3)])),
  }
  const { cpu } = entry
  const line =
    `${set.frames} ${entry.kilobytes} KB, ${set.targets} targets; pairs for each second of a core: ${entry.ours.perCpuSecond} in the first epoch, ${entry.oursMeansKnown.perCpuSecond} later, ` +
    `${entry.oursPack.perCpuSecond} from a pack; Python ${entry.baseline.perCpuSecond}; ` +
    `ratio ${cpu.ratio} / ${cpu.ratioMeansKnown} / ${cpu.ratioPack}; ${round(cpu.shareOfLimit * 100)} % of the decode limit (${entry.decodeLimit.perCpuSecond}); two threads × ${cpu.twoThreadsRatio}`
  return { entry, targets: targetsOf({ frames: set.frames, targets: set.targets, ...figures }), line }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '1' },
      frames: { type: 'string' },
      only: { type: 'string' },
    },
  })
  const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)]
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`Expected a number of rounds for --rounds but received ${values.rounds}`)
  if (!Number.isFinite(seconds) || seconds <= 0) throw new Error(`Expected a positive number for --seconds but received ${values.seconds}`)
  const sizes = frameSizes.filter(({ width, height }) => values.only === undefined || values.only === `${width}x${height}`)
  if (sizes.length === 0) throw new Error(`Expected ${frameSizes.map(({ width, height }) => `${width}x${height}`).join(' or ')} for --only but received ${values.only}`)
  const dir = values.frames ?? fileURLToPath(new URL('../../shared/data/vot-bag', import.meta.url))
  if (!existsSync(path.join(dir, 'groundtruth.txt'))) throw new Error(`no frames to start from: ${dir} has no groundtruth.txt (--frames DIR)`)
  const say = (text: string): void => void process.stderr.write(`${text}\n`)

  const work = mkdtempSync(path.join(os.tmpdir(), 'siamfcpp-bench-data-'))
  const python = new PythonBaseline()
  try {
    const versions = await python.versions()
    const source = readSource(dir)
    const [cases, targets]: [(Record<string, unknown> & { ratio: number })[], Target[]] = [[], []]
    for (const size of sizes) {
      for (const set of writeFrameSets(work, source, size)) {
        const { entry, targets: more, line } = await reportOf(set, { rounds, seconds, work, python })
        cases.push(entry)
        targets.push(...more)
        say(line)
      }
    }
    // The top level repeats the case with the smallest ratio: what is claimed holds for all of them.
    const worst = cases.reduce((a, b) => (b.ratio < a.ratio ? b : a)) as Record<string, unknown> & { ours: { median: number }; baseline: { median: number }; ratio: number }
    const failed = missed(targets)
    const report = {
      unit: 'pairs/s', ours: worst.ours.median, baseline: worst.baseline.median, ratio: worst.ratio, threads: 1, rounds, python: versions,
      pixelKernels: loadAddon().jpegLibrary().pixelKernels, cpu: os.cpus()[0]?.model ?? 'unknown', cases, targets: targets.map((target) => ({ ...target, seen: round(target.seen, 3) })), missed: failed.length,
    }
    if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`)
    for (const target of failed) say(`missed: ${describeTarget(target)}`)
    if (values.check && failed.length > 0) process.exitCode = 1
  } finally {
    python.end()
    rmSync(work, { recursive: true, force: true })
  }
}

await main()
