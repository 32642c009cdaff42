/** Processes that read a checkpoint once and say how long it took and how much memory: for bench/checkpoint.ts. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface Measured {
  seconds: number
  /** Highest resident size after the reading beyond that before it. */
  peakBytes: number
}

/** A reader by its name in the report, on one file. Every call is a new process. */
export type Reader = () => Measured

const library = fileURLToPath(new URL('../../lib', import.meta.url))

/** A child times its own work and reports the system's word for its peak. */
const nodeChild = `
import { closeSync, openSync, readFileSync, readSync, fstatSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { readCheckpoint } from ${JSON.stringify(`${library}/checkpoint/read.ts`)}
const [what, file] = process.argv.slice(1)
const peak = () => Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024
const idle = peak()
const start = performance.now()
let keep
if (what === 'bytes' || what === 'checked') {
  const fd = openSync(file)
  keep = Buffer.allocUnsafeSlow(fstatSync(fd).size)
  for (let at = 0; at < keep.length; ) at += readSync(fd, keep, at, keep.length - at, at)
  closeSync(fd)
  if (what === 'checked') crc32(keep)
} else {
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
if what == "safetensors":
    from safetensors.torch import load_file
idle = peak()
start = time.perf_counter()
keep = load_file(file) if what == "safetensors" else torch.load(file, weights_only=True)
if len(keep) < 2:
    raise SystemExit("too few entries")
print(json.dumps({"seconds": time.perf_counter() - start, "peakBytes": peak() - idle}))`

function child(command: string, args: readonly string[]): Measured {
  const result = spawnSync(command, args, { encoding: 'utf8' })
  if (result.error !== undefined) throw result.error
  if (result.status !== 0) throw new Error(`${command} failed: ${result.stderr.trim().split('\n').at(-1)}`)
  return JSON.parse(result.stdout.trim().split('\n').at(-1)!) as Measured
}

/** Ours, or plain reading of the bytes, or that and their CRC-32. */
export function nodeReader(what: 'bytes' | 'checked' | 'plain' | 'verified', file: string): Reader {
  return () => child(process.execPath, ['--input-type=module', '-e', nodeChild, what, file])
}

/** Python's torch.load(weights_only=True), or safetensors.torch.load_file. @throws Error, when called, if Python lacks the package */
export function pythonReader(python: string, what: 'torch' | 'safetensors', file: string): Reader {
  return () => child(python, ['-c', pythonChild, what, file])
}
