/** `siamtrain data verify`: decodes every frame of a data set and checks every box. */
import { createHash } from 'node:crypto'
import path from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { writeFileAtomically } from '../checkpoint/atomic-file.ts'
import { packsIn, verifyPacks } from '../data/pack/verify-pack.ts'
import { countOfKind, problemError } from '../data/problems.ts'
import { detectDatasets } from '../data/survey/detect.ts'
import { type VerifyReport, verifyDatasets } from '../data/survey/verify.ts'
import { SiamError } from '../errors.ts'
import { type ProgressBar, createProgress } from '../engine/progress.ts'
import { userCacheFolder } from '../user-cache.ts'
import { exitCodes, withSignals } from './common.ts'

interface VerifyFlags {
  dataset?: string
  subset?: string
  threads?: number
  report?: string
  fresh?: boolean
  json?: boolean
}

const examples = `
Examples:
  siamtrain data verify datasets/GOT-10k
  siamtrain data verify datasets/coco2017 --subset val2017 --report coco.json
  siamtrain data verify configs/siamfcpp_alexnet-got10k.yaml      the data sets of a configuration
  siamtrain data verify packs                                     packs: every byte against its checksum

The layout tells which data set it is; --dataset says it where it cannot be told. Checked: every frame is there and decodes, the frames of
a video have one size, boxes are finite, have an area and touch the picture. A stopped verification goes on where it was.
Exit code: 0 all is well, 1 something is wrong.`

/** Adds `data verify`. */
export function registerDataVerifyCommand(data: Command): void {
  data
    .command('verify')
    .description('decode every frame and check every box; of packs, compare every byte with its checksum')
    .argument('<root>', 'root of a data set, a YAML configuration, or a folder of packs')
    .argument('[overrides...]', 'dotted.key=value for a configuration')
    .option('--dataset <name>', 'which data set it is, such as GOT10kDataset (default: told by the layout)')
    .option('--subset <name>', 'only this subset')
    .option('--threads <n>', 'decoding threads (default: one for each core)', positive)
    .option('--report <file>', 'write the report there as JSON')
    .option('--fresh', 'begin anew although an earlier run was stopped half-way')
    .option('--json', 'print the report as JSON')
    .addHelpText('after', examples)
    .action(async (root: string, overrides: string[], flags: VerifyFlags) => {
      const report = await withSignals((signal) => verify(root, overrides, flags, signal), 'Stopping; the same command goes on from here')
      if (flags.report !== undefined) await writeFileAtomically(path.resolve(flags.report), (sink) => sink(Buffer.from(`${JSON.stringify(report, null, 2)}\n`)))
      process.stdout.write(flags.json === true ? `${JSON.stringify(report)}\n` : describe(report))
      if (!report.ok) process.exitCode = exitCodes.failed
    })
}

async function verify(root: string, overrides: string[], flags: VerifyFlags, signal: AbortSignal): Promise<VerifyReport> {
  const packs = await packsIn(path.resolve(root))
  if (packs.length > 0) return verifyPacksOf(root, packs, overrides, flags, signal)
  const datasets = await detectDatasets(root, { dataset: flags.dataset, subset: flags.subset, overrides })
  let progress: ProgressBar | undefined
  let shown = 0
  const onProgress = (done: number, total: number | undefined): void => {
    if (progress === undefined || done < shown) {
      progress?.close()
      progress = createProgress({ total, description: 'verify', unit: 'sequence' })
      shown = 0
    }
    progress.update(done - shown)
    shown = done
  }
  const journal = flags.report === undefined ? path.join(userCacheFolder(), 'verify', `${journalName(root, overrides, flags)}.jsonl`) : `${path.resolve(flags.report)}.partial`
  try {
    return await verifyDatasets(datasets, { threads: flags.threads, journal, fresh: flags.fresh, signal, onProgress })
  } finally {
    progress?.close()
  }
}

async function verifyPacksOf(root: string, packs: string[], overrides: string[], flags: VerifyFlags, signal: AbortSignal): Promise<VerifyReport> {
  if (flags.subset !== undefined || overrides.length > 0) throw new SiamError('ERR_ARGUMENT', 'Expected no --subset and no overrides with packs', { file: root })
  const chosen = packs.filter((dir) => flags.dataset === undefined || path.basename(dir) === flags.dataset)
  if (chosen.length === 0) throw new SiamError('ERR_ARGUMENT', `Expected one of ${packs.map((dir) => path.basename(dir)).join(', ')} for --dataset`, { file: root })
  let progress: ProgressBar | undefined
  const onProgress = (done: number, total: number): void => {
    if (progress !== undefined && done < progress.n) {
      progress.close()
      progress = undefined
    }
    progress ??= createProgress({ total, description: 'verify', unit: 'frame' })
    progress.update(done - progress.n)
  }
  try {
    return await verifyPacks(chosen, { threads: flags.threads, signal, onProgress })
  } finally {
    progress?.close()
  }
}

function journalName(root: string, overrides: string[], { dataset, subset }: VerifyFlags): string {
  return createHash('sha256').update(JSON.stringify([path.resolve(root), overrides, dataset, subset])).digest('hex').slice(0, 24)
}

function describe(report: VerifyReport): string {
  const lines = report.datasets.map(({ name, params, sequences, frames, bytes }) => {
    const part = params['subset'] ?? (Array.isArray(params['subsets']) ? params['subsets'].join(', ') : undefined)
    return `${name}${part === undefined ? '' : ` ${String(part)}`}: ${count(sequences, 'sequence')}, ${count(frames, 'frame')}, ${(bytes / 1e6).toFixed(1)} MB`
  })
  if (report.resumedSequences > 0) lines.push(`${count(report.resumedSequences, 'sequence')} verified by an earlier run`)
  const total = Object.values(report.counts).reduce((sum, n) => sum + n, 0)
  if (report.ok) lines.push('Nothing is wrong.')
  else {
    lines.push(`${count(total, 'problem')}: ${Object.entries(report.counts).map(([kind, n]) => countOfKind(kind, n)).join(', ')}`)
    const shown = report.problems.slice(0, 20)
    lines.push(...shown.map((problem) => `  ${problemError(problem).toLine()}`))
    if (total > shown.length) lines.push(`  … and ${total - shown.length} more; --report FILE writes them all`)
  }
  lines.push(`${report.seconds.toFixed(1)} s, ${report.framesPerSecond.toFixed(0)} frames/s`)
  return `${lines.join('\n')}\n`
}

function count(n: number, noun: string): string {
  return `${n.toLocaleString('en-US')} ${noun}${n === 1 ? '' : 's'}`
}

function positive(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError('Expected a number of threads, at least 1.')
  return Number(text)
}
