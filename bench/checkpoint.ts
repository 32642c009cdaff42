/**
 * Reading a 200 MB checkpoint beside reading its bytes, torch.load and the safetensors package.
 *
 *   node bench/checkpoint.ts [--megabytes 200] [--rounds 7] [--python PYTHON]
 *
 * Every reader runs in a process of its own (its peak memory is the system's word), rounds interleaved, medians taken; the file is in the
 * page cache. Prints JSON: seconds, ratios to reading the bytes, peak resident bytes beyond an idle process, as a share of the file's size.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { writeFileAtomically } from '../lib/checkpoint/atomic-file.ts'
import { CheckpointTensor } from '../lib/checkpoint/tensor.ts'
import { PyDict } from '../lib/checkpoint/values.ts'
import { writeSafetensors } from '../lib/checkpoint/write.ts'
import { writeSnapshotFile } from '../lib/engine/snapshot-file.ts'

const { values } = parseArgs({ options: { megabytes: { type: 'string', default: '200' }, rounds: { type: 'string', default: '7' }, python: { type: 'string' } } })
const megabytes = Number(values.megabytes)
const rounds = Number(values.rounds)
const library = fileURLToPath(new URL('../lib', import.meta.url))

interface Measured {
  seconds: number
  peakBytes: number
}

/** A child times its own work and reports its peak; VmHWM covers what ru_maxrss covers. */
const nodeChild = `
import { closeSync, openSync, readFileSync, readSync, fstatSync } from 'node:fs'
import { readCheckpoint } from ${JSON.stringify(`${library}/checkpoint/read.ts`)}
const [what, file] = process.argv.slice(1)
const peak = () => Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024
const idle = peak()
const start = performance.now()
let keep
if (what === 'bytes') {
  const fd = openSync(file)
  keep = Buffer.allocUnsafeSlow(fstatSync(fd).size)
  for (let at = 0; at < keep.length; ) at += readSync(fd, keep, at, keep.length - at, at)
  closeSync(fd)
} else if (what !== 'idle') {
  keep = await readCheckpoint(file, { verify: what === 'verified' })
  if (keep.tensors().size < 100) throw new Error('too few tensors')
}
const seconds = (performance.now() - start) / 1000
console.log(JSON.stringify({ seconds, peakBytes: peak() - idle }))`

const pythonChild = `
import json, sys, time
what, file = sys.argv[1:]
def peak():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024
import torch
if what == "safetensors_python":
    from safetensors.torch import load_file
idle = peak()
start = time.perf_counter()
keep = load_file(file) if what == "safetensors_python" else torch.load(file, weights_only=True)
print(json.dumps({"seconds": time.perf_counter() - start, "peakBytes": peak() - idle}))`

function child(command: string, args: string[]): Measured {
  const result = spawnSync(command, args, { encoding: 'utf8' })
  if (result.status !== 0) throw new Error(`${command} failed: ${result.stderr.slice(-2000)}`)
  return JSON.parse(result.stdout.trim().split('\n').at(-1)!) as Measured
}

const median = (numbers: number[]): number => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!

const folder = mkdtempSync(path.join(os.tmpdir(), 'siamfcpp-bench-checkpoint-'))
try {
  const tensors = PyDict.ordered(
    Array.from({ length: 200 }, (_, i) => {
      const data = new Float32Array((megabytes * 1e6) / 200 / 4)
      for (let j = 0; j < data.length; j++) data[j] = ((j * 2654435761 + i) % 1000) / 1000
      return [`layer${i}.weight`, CheckpointTensor.fromRaw({ dtype: 'float32', shape: [data.length], data: new Uint8Array(data.buffer) })] as const
    }),
  )
  const zip = path.join(folder, 'epoch-0.pkl')
  const safe = path.join(folder, 'epoch-0.safetensors')
  await writeSnapshotFile(zip, PyDict.fromObject({ epoch: 0, model_state_dict: tensors }))
  await writeFileAtomically(safe, (sink) => writeSafetensors(tensors, sink))
  const fileBytes = statSync(zip).size

  const node = (what: string, file: string) => (): Measured => child(process.execPath, ['--input-type=module', '-e', nodeChild, what, file])
  const readers = new Map([
    ['bytes', node('bytes', zip)],
    ['torch_zip', node('zip', zip)],
    ['torch_zip_verified', node('verified', zip)],
    ['safetensors', node('safetensors', safe)],
  ])
  const notes: string[] = []
  if (values.python !== undefined) {
    for (const [what, file] of [['torch_load', zip], ['safetensors_python', safe]] as const) {
      const run = (): Measured => child(values.python!, ['-c', pythonChild, what, file])
      try {
        run()
        readers.set(what, run)
      } catch (error) {
        notes.push(`${what} left out: ${String(error).trim().split('\n').at(-1)}`)
      }
    }
  }
  const measured = new Map<string, Measured[]>([...readers.keys()].map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) for (const [name, run] of readers) measured.get(name)!.push(run())

  const base = median(measured.get('bytes')!.map(({ seconds }) => seconds))
  const report = Object.fromEntries(
    [...measured].map(([name, runs]) => {
      const seconds = median(runs.map((run) => run.seconds))
      return [name, { seconds: Number(seconds.toFixed(4)), ratio: Number((seconds / base).toFixed(3)), memory_share: Number((median(runs.map((run) => run.peakBytes)) / fileBytes).toFixed(3)) }]
    }),
  )
  process.stdout.write(`${JSON.stringify({ file_bytes: fileBytes, rounds, unit: 's', ours: report.torch_zip!.seconds, baseline: report.bytes!.seconds, ratio: report.torch_zip!.ratio, readers: report, notes })}\n`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
