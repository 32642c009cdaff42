/**
 * Our CUDA kernels beside libtorch's operations that they stand in for, at the sizes of an AlexNet step.
 *
 *   node bench/cuda-kernels.ts [--json] [--batch 128] [--dtype float16] [--repetitions 50] [--device cuda] [--only norm_pool,xcorr]
 *
 * Each number is the mean over many repetitions between two waits for the device. `share` is what the pass must read and write, divided by its
 * time and by the memory's rate (--terabytes, 3.35 for an H100 SXM). The entries of the first convolution are cuDNN's, over several forms of the image.
 */
import { parseArgs } from 'node:util'
import type { CudaKernelTiming } from '../lib/native/addon-cuda-kernels.ts'
import { loadAddon } from '../lib/native/load.ts'

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    batch: { type: 'string', default: '128' },
    dtype: { type: 'string', default: 'float16' },
    repetitions: { type: 'string', default: '50' },
    device: { type: 'string', default: 'cuda' },
    terabytes: { type: 'string', default: '3.35' },
    only: { type: 'string' },
  },
})

type Stage = CudaKernelTiming['stage']
interface Case {
  name: string
  stage: Stage
  size: number[]
  /** Bytes that the forward pass, and forward and backward, have to move. */
  bytes?: { forward: number; both: number }
}

interface Times {
  forwardSeconds: number
  bothSeconds: number | null
}

interface Row {
  name: string
  size: number[]
  ours: Times
  libtorch: Times | null
  /** libtorch's seconds over ours, forward and backward together where there is a backward. */
  ratio: number | null
  megabytes: number | null
  share: { forward: number; both: number } | null
}

const batch = Number(options.batch)
const dtype = options.dtype as CudaKernelTiming['dtype']
const element = dtype === 'float32' ? 4 : 2

/** Forward: sums read x, the apply reads it and writes y. Backward: sums read dy and x, the apply reads both and writes dx. */
function norm(name: string, channels: number, side: number): Case {
  const map = batch * channels * side * side * element
  return { name, stage: 'norm', size: [batch, channels, side, side], bytes: { forward: 3 * map, both: 8 * map } }
}

/** Forward: x twice, then y, the winners and a byte each. Backward: dy and winners; dy, bytes, x → dx. */
function pooled(name: string, channels: number, side: number): Case {
  const map = batch * channels * side * side * element
  const out = Math.ceil((side - 3) / 2) + 1
  const small = batch * channels * out * out
  const forward = 2 * map + small * (2 * element + 1)
  return { name, stage: 'norm_pool', size: [batch, channels, side, side], bytes: { forward, both: forward + 2 * map + small * (3 * element + 1) } }
}

function correlation(name: string, channels: number, side: number, template: number): Case {
  const out = side - template + 1
  const [x, k, y] = [side, template, out].map((length) => batch * channels * length * length * element) as [number, number, number]
  return { name, stage: 'xcorr', size: [batch, channels, side, side, template, template], bytes: { forward: x + k + y, both: x + k + y + 2 * (y + x + k) } }
}

const pixels = 303 * 303 * 3 * batch
const image = { size: [batch, 3, 303, 303] }
const cases: Case[] = [
  pooled('conv1 (search): BatchNorm, ReLU, pool', 96, 147),
  pooled('conv1 (template): BatchNorm, ReLU, pool', 96, 59),
  pooled('conv2 (search): BatchNorm, ReLU, pool', 256, 69),
  norm('conv1 (search): BatchNorm, ReLU', 96, 147),
  norm('conv3 (search): BatchNorm, ReLU', 384, 32),
  norm('conv5 (search): BatchNorm, ReLU', 256, 28),
  norm('neck (search): BatchNorm, ReLU', 256, 26),
  norm('head: BatchNorm, ReLU', 256, 17),
  correlation('correlation', 256, 26, 4),
  { name: 'image to pixels', stage: 'image', ...image, bytes: { forward: pixels * (1 + element), both: 0 } },
  { name: 'image, folded', stage: 'image_folded', ...image, bytes: { forward: pixels + batch * 152 * 152 * 16 * element, both: 0 } },
  { name: 'losses', stage: 'losses', size: [batch, 289] },
]
const entries: Case[] = [
  { name: 'first convolution over 3 channels', stage: 'entry', ...image },
  { name: 'first convolution over 4 channels', stage: 'entry_4', ...image },
  { name: 'first convolution over 8 channels', stage: 'entry_8', ...image },
  { name: 'first convolution over the folded image', stage: 'entry_folded', ...image },
]

const addon = loadAddon()
const { available, reason } = await addon.cudaAvailable()
if (!available) {
  process.stderr.write(`bench/cuda-kernels: needs a GPU: ${reason}\n`)
  process.exit(1)
}

const time = (spec: Case, kernels: boolean): Promise<Times> =>
  addon.timeCudaKernel({ stage: spec.stage, size: spec.size, dtype, device: options.device === 'cuda' ? 'cuda:0' : options.device, kernels, repetitions: Number(options.repetitions) })
const wanted = (spec: Case): boolean => options.only === undefined || options.only.split(',').some((part) => spec.stage.startsWith(part))

const rows: Row[] = []
for (const spec of cases.filter(wanted)) {
  const ours = await time(spec, true)
  const libtorch = await time(spec, false)
  const rate = Number(options.terabytes) * 1e12
  const shareOf = (bytes: number, seconds: number | null): number => (seconds === null ? 0 : bytes / seconds / rate)
  rows.push({
    name: spec.name,
    size: spec.size,
    ours,
    libtorch,
    ratio: (libtorch.bothSeconds ?? libtorch.forwardSeconds) / (ours.bothSeconds ?? ours.forwardSeconds),
    megabytes: spec.bytes === undefined ? null : (ours.bothSeconds === null ? spec.bytes.forward : spec.bytes.both) / 1e6,
    share: spec.bytes === undefined ? null : { forward: shareOf(spec.bytes.forward, ours.forwardSeconds), both: shareOf(spec.bytes.both, ours.bothSeconds) },
  })
}
const firstConvolution: Row[] = []
for (const spec of entries.filter(wanted)) firstConvolution.push({ name: spec.name, size: spec.size, ours: await time(spec, true), libtorch: null, ratio: null, megabytes: null, share: null })

const report = await addon.cudaKernels()
if (options.json) {
  const saved = rows.reduce((sum, { ours, libtorch }) => sum + ((libtorch?.bothSeconds ?? libtorch?.forwardSeconds ?? 0) - (ours.bothSeconds ?? ours.forwardSeconds)), 0)
  const total = (pick: (row: Row) => Times | null) => rows.reduce((sum, row) => sum + (pick(row)?.bothSeconds ?? pick(row)?.forwardSeconds ?? 0), 0)
  const [ours, baseline] = [total((row) => row.ours), total((row) => row.libtorch)]
  process.stdout.write(`${JSON.stringify({ ours, baseline, ratio: baseline / ours, unit: 's', saved, batch, dtype, failure: report.failure, kernels: rows, firstConvolution })}\n`)
} else {
  const milliseconds = (seconds: number | null | undefined): string => (seconds === null || seconds === undefined ? '' : (seconds * 1000).toFixed(3)).padStart(9)
  process.stdout.write(`milliseconds${' '.repeat(40)}forward     both | libtorch    both | ratio   memory\n`)
  for (const { name, ours, libtorch, ratio, share } of [...rows, ...firstConvolution]) {
    const rate = share === null ? '' : `${(100 * (ours.bothSeconds === null ? share.forward : share.both)).toFixed(0)} %`
    process.stdout.write(
      `${name.padEnd(50)}${milliseconds(ours.forwardSeconds)}${milliseconds(ours.bothSeconds)} |${milliseconds(libtorch?.forwardSeconds)}${milliseconds(libtorch?.bothSeconds)} | ${(ratio?.toFixed(2) ?? '').padStart(5)} ${rate.padStart(7)}\n`,
    )
  }
  if (report.failure !== '') process.stdout.write(`our kernels were not used: ${report.failure}\n`)
}
