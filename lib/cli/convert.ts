/** `siamtrain convert`: checkpoints between torch's zip format, its legacy format, and safetensors. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { Option } from 'commander'
import type { Command } from 'commander'
import { writeFileAtomically } from '../checkpoint/atomic-file.ts'
import { readCheckpoint } from '../checkpoint/read.ts'
import { withoutPrefix } from '../checkpoint/prefix.ts'
import { structureKey } from '../checkpoint/safetensors-structure.ts'
import type { CheckpointTensor } from '../checkpoint/tensor.ts'
import { collectTensors, PyDict } from '../checkpoint/values.ts'
import type { CheckpointValue } from '../checkpoint/values.ts'
import { writeSafetensors, writeTorchLegacy, writeTorchZip } from '../checkpoint/write.ts'
import { SiamError } from '../errors.ts'
import { printable } from './common.ts'

const formats = ['torch', 'torch-legacy', 'safetensors'] as const
export type TargetFormat = (typeof formats)[number]

const extensions: Record<string, TargetFormat> = { '.pkl': 'torch', '.pth': 'torch', '.pt': 'torch', '.bin': 'torch', '.safetensors': 'safetensors' }

/** The format that a file's name asks for. @throws ERR_ARGUMENT when it asks for none */
export function formatOfName(file: string): TargetFormat {
  const format = extensions[path.extname(file).toLowerCase()]
  if (format !== undefined) return format
  throw new SiamError('ERR_ARGUMENT', `Expected an extension of ${Object.keys(extensions).join(', ')} for the output but received ${JSON.stringify(path.basename(file))}`, { hint: `or give --format ${formats.join('|')}` })
}

export interface ConvertOptions {
  /** By the output's name when absent. */
  format?: TargetFormat
  /** Dotted path of the part to keep, `model_state_dict` for the weights alone under their plain names. */
  select?: string
  /** What to drop from the beginning of tensor names, such as `module.`. */
  stripPrefix?: string
}

export interface Converted {
  format: TargetFormat
  tensors: number
  /** What the output cannot hold, in words; empty when converting back would restore everything. */
  lost: string[]
}

/**
 * Converts a checkpoint file; the output is written whole or not at all.
 * @throws ERR_IO, ERR_CHECKPOINT, ERR_ARGUMENT
 */
export async function convertCheckpoint(input: string, output: string, options: ConvertOptions = {}): Promise<Converted> {
  const format = options.format ?? formatOfName(output)
  const checkpoint = await readCheckpoint(input, { verify: true })
  let value = checkpoint.root
  if (options.select !== undefined) {
    for (const step of options.select.split('.')) value = member(value, step, options.select, input)
  }
  if (options.stripPrefix !== undefined) value = withoutPrefix(value, options.stripPrefix, input)
  const tensors = collectTensors(value, input)
  if (tensors.size === 0) throw new SiamError('ERR_ARGUMENT', options.select === undefined ? 'the checkpoint holds no tensor' : `"${options.select}" holds no tensor`, { file: input, hint: 'siamtrain inspect shows what is in it' })
  await writeFileAtomically(output, async (sink) => {
    if (format === 'safetensors') await writeSafetensors(value, sink, checkpoint.metadata)
    else if (format === 'torch-legacy') await writeTorchLegacy(value, sink)
    else await writeTorchZip(value, sink, path.basename(output, path.extname(output)) || 'archive')
  })
  const metadata = [...checkpoint.metadata.keys()].filter((key) => key !== structureKey)
  return { format, tensors: tensors.size, lost: format === 'safetensors' ? lostInSafetensors(tensors) : metadata.length === 0 ? [] : [`the metadata of the safetensors file (${metadata.slice(0, 5).map(printable).join(', ')})`] }
}

/** safetensors holds each tensor by itself, row by row. */
function lostInSafetensors(tensors: ReadonlyMap<string, CheckpointTensor>): string[] {
  const users = new Map<object, number>()
  for (const { storage } of tensors.values()) users.set(storage.root, (users.get(storage.root) ?? 0) + 1)
  const shared = [...tensors.values()].filter(({ storage }) => users.get(storage.root)! > 1).length
  const strided = [...tensors.values()].filter((tensor) => !tensor.isContiguous).length
  const lost: string[] = []
  if (shared > 0) lost.push(`that ${shared} tensors share storages: each has its own copy now`)
  if (strided > 0) lost.push(`the strides of ${strided} tensors: they are contiguous now`)
  return lost
}

function member(value: CheckpointValue, step: string, select: string, file: string): CheckpointValue {
  const found = value instanceof PyDict ? (value.get(step) ?? (/^\d+$/.test(step) ? value.get(Number(step)) : undefined)) : Array.isArray(value) ? value[Number(step)] : undefined
  if (found !== undefined) return found
  const there = value instanceof PyDict ? ` (there are ${[...value.keys()].slice(0, 8).map(String).join(', ')})` : ''
  throw new SiamError('ERR_ARGUMENT', `the checkpoint has no "${select}": no "${step}"${there}`, { file })
}

/** Adds `siamtrain convert` to the command line. */
export function registerConvertCommand(program: Command): void {
  program
    .command('convert')
    .description('Convert a checkpoint between torch (.pkl, .pth: zip or legacy) and safetensors.')
    .argument('<in>', 'the checkpoint to read')
    .argument('<out>', 'the file to write; its extension tells the format (torch is the zip format)')
    .addOption(new Option('--format <format>', 'format of the output, whatever its extension').choices(formats))
    .option('--select <path>', 'convert only this part, such as model_state_dict: the weights alone')
    .option('--strip-prefix <prefix>', 'drop this from the beginning of tensor names, such as module.')
    .option('--force', 'replace the output if it is there')
    .option('--json', 'print JSON: {"output","format","tensors","lost"}')
    .addHelpText(
      'after',
      `
Everything is kept: numbers, strings, lists and dicts go into a safetensors file's metadata and come back from there. What a format
cannot hold is said.

Examples:
  siamtrain convert epoch-19.pkl weights.safetensors --select model_state_dict
  siamtrain convert ddp.pth plain.pth --strip-prefix module.
  siamtrain convert epoch-19.pkl for-old-torch.pth --format torch-legacy
`,
    )
    .action(async (input: string, output: string, options: ConvertOptions & { force?: boolean; json?: boolean }) => {
      if (options.force !== true && existsSync(output)) throw new SiamError('ERR_ARGUMENT', 'the output is already there', { file: output, hint: 'give --force to replace it' })
      const result = await convertCheckpoint(input, output, options)
      for (const what of result.lost) process.stderr.write(`lost: ${what}\n`)
      process.stdout.write(options.json === true ? `${JSON.stringify({ output, ...result })}\n` : `${output}: ${result.tensors} tensors, ${result.format}\n`)
    })
}
