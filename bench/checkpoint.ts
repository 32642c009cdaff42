/**
 * Reading a 200 MB checkpoint beside plain reading of its bytes, torch.load and the safetensors package.
 *
 *   node bench/checkpoint.ts [--json] [--check] [--megabytes 200] [--rounds 7]
 *
 * The Python (torch 2.11, safetensors) is SIAMFCPP_BENCH_PYTHON, else python3; what it lacks is left out. See docs/benchmarks.md.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { writeFileAtomically } from '../lib/checkpoint/atomic-file.ts'
import { CheckpointTensor } from '../lib/checkpoint/tensor.ts'
import { PyDict } from '../lib/checkpoint/values.ts'
import { writeSafetensors, writeTorchLegacy, writeTorchZip } from '../lib/checkpoint/write.ts'
import { nodeReader, pythonReader, type Measured, type Reader } from './lib/checkpoint-readers.ts'
import { timingOf } from './lib/stats.ts'

/** Of the seconds of plain reading, and of the file's size in memory. */
const limit = 1.2
const baseline = 'bytes'
/** Reading the bytes and then their CRC-32: the yardstick where checksums are compared. */
const checkedBaseline = 'bytes_crc32'
const verified = 'torch_zip_verified'

interface ReaderReport {
  seconds: { min: number; median: number }
  /** To plain reading: of the fastest runs, of the medians. */
  ratio: number
  ratioMedian: number
  /** Median of the memory that the reading took, as a share of the file's size. */
  memoryShare: number
  /** What --check holds `ratio` to; absent for what is not ours. */
  limit?: number
}

interface Options {
  megabytes: number
  rounds: number
  json: boolean
  check: boolean
}

const say = (line: string): void => void process.stderr.write(`${line}\n`)

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      megabytes: { type: 'string', default: '200' },
      rounds: { type: 'string', default: '7' },
    },
  })
  const count = (name: 'megabytes' | 'rounds'): number => {
    const value = Number(values[name])
    if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`Expected an integer ≥ 1 for --${name} but received ${values[name]}`)
    return value
  }
  return { megabytes: count('megabytes'), rounds: count('rounds'), json: values.json, check: values.check }
}

/** 200 tensors of one snapshot, in each format. @returns the paths; all have nearly the same size */
async function writeFiles(folder: string, megabytes: number): Promise<{ zip: string; legacy: string; safetensors: string }> {
  const tensors = PyDict.ordered(
    Array.from({ length: 200 }, (_, i) => {
      const data = new Float32Array(Math.floor((megabytes * 1e6) / 200 / 4))
      for (let j = 0; j < data.length; j++) data[j] = ((j * 2654435761 + i) % 1000) / 1000
      return [`layer${i}.weight`, CheckpointTensor.fromRaw({ dtype: 'float32', shape: [data.length], data: new Uint8Array(data.buffer) })] as const
    }),
  )
  const snapshot = PyDict.fromObject({ epoch: 0, model_state_dict: tensors })
  const files = { zip: path.join(folder, 'zip.pkl'), legacy: path.join(folder, 'legacy.pkl'), safetensors: path.join(folder, 'weights.safetensors') }
  await writeFileAtomically(files.zip, (sink) => writeTorchZip(snapshot, sink))
  await writeFileAtomically(files.legacy, (sink) => writeTorchLegacy(snapshot, sink))
  await writeFileAtomically(files.safetensors, (sink) => writeSafetensors(tensors, sink))
  return files
}

async function main(): Promise<void> {
  const options = readOptions()
  const folder = mkdtempSync(path.join(os.tmpdir(), 'siamfcpp-bench-checkpoint-'))
  try {
    const files = await writeFiles(folder, options.megabytes)
    const fileBytes = statSync(files.zip).size
    const ours = new Map<string, Reader>([
      ['torch_zip', nodeReader('plain', files.zip)],
      [verified, nodeReader('verified', files.zip)],
      ['torch_legacy', nodeReader('plain', files.legacy)],
      ['safetensors', nodeReader('plain', files.safetensors)],
    ])
    const readers = new Map<string, Reader>([[baseline, nodeReader('bytes', files.zip)], [checkedBaseline, nodeReader('checked', files.zip)], ...ours])
    const notes: string[] = []
    const python = process.env.SIAMFCPP_BENCH_PYTHON ?? 'python3'
    for (const [name, what, file] of [['python_torch_zip', 'torch', files.zip], ['python_torch_legacy', 'torch', files.legacy], ['python_safetensors', 'safetensors', files.safetensors]] as const) {
      const reader = pythonReader(python, what, file)
      try {
        reader()
        readers.set(name, reader)
      } catch (error) {
        notes.push(`${name} left out: ${error instanceof Error ? error.message : String(error)}`)
      }
    }

    const measured = new Map<string, Measured[]>([...readers.keys()].map((name) => [name, []]))
    for (let round = 1; round <= options.rounds; round++) {
      for (const [name, run] of readers) measured.get(name)!.push(run())
      say(`round ${round} of ${options.rounds}`)
    }

    const base = timingOf(measured.get(baseline)!.map(({ seconds }) => seconds))
    const fastestOf = (name: string): number => timingOf(measured.get(name)!.map(({ seconds }) => seconds)).min
    const limitOf = (name: string): number => (name === verified ? (limit * fastestOf(checkedBaseline)) / base.min : limit)
    const report: Record<string, ReaderReport> = {}
    for (const [name, runs] of measured) {
      const { min, median } = timingOf(runs.map(({ seconds }) => seconds))
      const memoryShare = timingOf(runs.map(({ peakBytes }) => peakBytes)).median / fileBytes
      report[name] = { seconds: { min, median }, ratio: min / base.min, ratioMedian: median / base.median, memoryShare, ...(ours.has(name) ? { limit: limitOf(name) } : {}) }
    }
    const over = Object.entries(report).filter(([name, { ratio, memoryShare }]) => ours.has(name) && (ratio > limitOf(name) || memoryShare > limit)).map(([name]) => name)
    const slowest = [...ours.keys()].filter((name) => name !== verified).reduce((a, b) => (report[b]!.ratio > report[a]!.ratio ? b : a))
    if (options.json) {
      const machine = { cpu: os.cpus()[0]?.model, cores: os.cpus().length, load: os.loadavg()[0] }
      process.stdout.write(`${JSON.stringify({ unit: 's', ours: report[slowest]!.seconds.min, baseline: base.min, ratio: report[slowest]!.ratio, slowest, fileBytes, rounds: options.rounds, over, readers: report, notes, machine })}\n`)
    } else {
      for (const [name, { seconds, ratio, ratioMedian, memoryShare }] of Object.entries(report)) {
        process.stdout.write(`${name.padEnd(20)} ${(1000 * seconds.min).toFixed(1).padStart(6)} ms (median ${(1000 * seconds.median).toFixed(1)})  ${ratio.toFixed(2)} of the bytes (medians ${ratioMedian.toFixed(2)}), memory ${memoryShare.toFixed(2)} of the file\n`)
      }
      for (const note of notes) process.stdout.write(`${note}\n`)
    }
    if (options.check && over.length > 0) throw new Error(`over their limits: ${over.join(', ')}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

try {
  await main()
} catch (error) {
  say(`bench checkpoint: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}
