/** `siamtrain inspect`: what a checkpoint holds. */
import { statSync } from 'node:fs'
import type { Command } from 'commander'
import { readCheckpoint } from '../checkpoint/read.ts'
import type { Checkpoint, CheckpointFormat } from '../checkpoint/read.ts'
import { dtypeInfo, type CheckpointDType } from '../checkpoint/dtype.ts'
import { CheckpointTensor, decodeFloat64 } from '../checkpoint/tensor.ts'
import { PyDict, PyFloat, TorchSymbol, keyText } from '../checkpoint/values.ts'
import type { CheckpointValue } from '../checkpoint/values.ts'
import { structureKey } from '../checkpoint/safetensors-structure.ts'
import { printable } from './common.ts'

export type InspectJson = null | boolean | number | string | InspectJson[] | { [key: string]: InspectJson }

export interface InspectReport {
  format: CheckpointFormat
  tensors: {
    /** Dotted path. */
    name: string
    dtype: CheckpointDType
    shape: number[]
    /** Square root of the sum of squares, in float64; null when it is not finite. */
    l2: number | null
    /** Elements that are NaN or infinite. */
    nonfinite: number
  }[]
  /** Everything that is no tensor; a tensor's place holds "<tensor>" where a list needs it. */
  other: InspectJson
  /** The string metadata of a safetensors file, where it has any besides what {@link other} was made of. */
  metadata?: Record<string, string>
}

/**
 * @returns the tensors with their norms, and everything else as JSON
 * @throws ERR_CHECKPOINT when two tensors have one path
 */
export function inspectCheckpoint(checkpoint: Checkpoint): InspectReport {
  const tensors = [...checkpoint.tensors()].map(([name, tensor]) => ({ name, dtype: tensor.dtype, shape: [...tensor.shape], ...norm(tensor) }))
  const metadata = [...checkpoint.metadata].filter(([key]) => key !== structureKey)
  return { format: checkpoint.format, tensors, other: withoutTensors(checkpoint.root) ?? {}, ...(metadata.length === 0 ? {} : { metadata: Object.fromEntries(metadata) }) }
}

const partElements = 64 * 1024

function norm(tensor: CheckpointTensor): { l2: number | null; nonfinite: number } {
  let sum = 0
  let nonfinite = 0
  const bytes = tensor.contiguousBytes()
  // In parts: a byte becomes eight when it is a float64.
  const part = partElements * dtypeInfo(tensor.dtype).itemBytes
  for (let at = 0; at < bytes.length; at += part) {
    for (const value of decodeFloat64(tensor.dtype, bytes.subarray(at, at + part))) {
      if (!Number.isFinite(value)) nonfinite++
      sum += value * value
    }
  }
  const l2 = Math.sqrt(sum)
  return { l2: Number.isFinite(l2) ? l2 : null, nonfinite }
}

/** A value as JSON, without its tensors: a dict loses their keys, a list keeps its places. Undefined for what held nothing else. */
function withoutTensors(value: CheckpointValue): InspectJson | undefined {
  if (value instanceof CheckpointTensor) return undefined
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (value instanceof PyFloat) return value.value
  if (typeof value === 'bigint') return String(value)
  if (value instanceof TorchSymbol) return value.kind === 'dtype' ? `torch.${value.name}` : value.name
  if (value instanceof Uint8Array) return `<${value.length} bytes>`
  if (value instanceof PyDict) {
    const inside: [string, InspectJson][] = []
    for (const [key, member] of value) {
      const json = withoutTensors(member)
      if (json !== undefined) inside.push([keyText(key), json])
    }
    // fromEntries defines keys; an assignment to "__proto__" would not.
    return inside.length === 0 && value.size > 0 ? undefined : Object.fromEntries(inside)
  }
  return [...value].map((item) => withoutTensors(item) ?? '<tensor>')
}

/** The report as a table and a tree for people. */
export function formatReport(report: InspectReport, file: string, fileBytes: number): string {
  const rows = report.tensors.map(({ name, dtype, shape, l2, nonfinite }) => [
    printable(name),
    dtype,
    `[${shape.join(', ')}]`,
    `${l2 === null ? '-' : l2.toPrecision(6)}${nonfinite === 0 ? '' : `  ${nonfinite} not finite`}`,
  ])
  const table = [['tensor', 'dtype', 'shape', 'l2'], ...rows]
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]!.length)))
  const elements = report.tensors.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0)
  return [
    `${file}: ${report.format}, ${fileBytes.toLocaleString('en-US')} bytes, ${report.tensors.length} tensors, ${elements.toLocaleString('en-US')} elements`,
    '',
    ...table.map((row) => row.map((cell, column) => (column < 3 ? cell.padEnd(widths[column]!) : cell)).join('  ')),
    '',
    'other:',
    ...treeLines(report.other, 1),
    ...(report.metadata === undefined ? [] : ['metadata:', ...treeLines(report.metadata, 1)]),
    '',
  ].join('\n')
}

function treeLines(value: InspectJson, depth: number): string[] {
  const indent = '  '.repeat(depth)
  if (value === null || typeof value !== 'object') return [`${indent}${printable(String(value))}`]
  if (Array.isArray(value) && value.every((item) => item === null || typeof item !== 'object')) return [`${indent}${shorten(value)}`]
  return Object.entries(value).flatMap(([key, member]) => {
    if (member === null || typeof member !== 'object') return [`${indent}${printable(`${key}: ${String(member)}`)}`]
    if (Array.isArray(member) && member.every((item) => item === null || typeof item !== 'object')) return [`${indent}${printable(key)}: ${shorten(member)}`]
    return [`${indent}${printable(key)}:`, ...treeLines(member, depth + 1)]
  })
}

function shorten(items: InspectJson[]): string {
  const text = items.slice(0, 12).map((item) => printable(String(item))).join(', ')
  return `[${text}${items.length > 12 ? `, … (${items.length})` : ''}]`
}

/** Adds `siamtrain inspect` to the command line. */
export function registerInspectCommand(program: Command): void {
  program
    .command('inspect')
    .description('Show what a checkpoint holds: tensors with their types, shapes and norms, and everything else.')
    .argument('<checkpoint>', 'torch .pkl/.pth (zip or legacy) or .safetensors')
    .option('--json', 'print JSON: {"format","tensors":[{"name","dtype","shape","l2","nonfinite"}],"other","metadata"}')
    .addHelpText('after', '\nNothing in the file is executed.\n\nExample:\n  siamtrain inspect snapshots/siamfcpp_alexnet-got10k/epoch-19.pkl\n')
    .action(async (file: string, options: { json?: boolean }) => {
      const report = inspectCheckpoint(await readCheckpoint(file, { verify: true }))
      process.stdout.write(options.json === true ? `${JSON.stringify(report)}\n` : formatReport(report, file, statSync(file).size))
    })
}
