/** `siamtrain convert`: torch files to safetensors and back. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { Option } from 'commander'
import type { Command } from 'commander'
import { writeFileAtomically } from '../checkpoint/atomic-file.ts'
import { readCheckpoint } from '../checkpoint/read.ts'
import { collectTensors, PyDict } from '../checkpoint/values.ts'
import type { CheckpointValue } from '../checkpoint/values.ts'
import { writeSafetensors, writeTorchZip } from '../checkpoint/write.ts'
import { SiamError } from '../errors.ts'

export type TargetFormat = 'torch' | 'safetensors'

const extensions: Record<string, TargetFormat> = { '.pkl': 'torch', '.pth': 'torch', '.pt': 'torch', '.bin': 'torch', '.safetensors': 'safetensors' }

/** The format that a file's name asks for. @throws ERR_ARGUMENT when it asks for none */
export function formatOfName(file: string): TargetFormat {
  const format = extensions[path.extname(file).toLowerCase()]
  if (format !== undefined) return format
  throw new SiamError('ERR_ARGUMENT', `Expected an extension of ${Object.keys(extensions).join(', ')} for the output but received ${JSON.stringify(path.basename(file))}`, { hint: 'or give --format torch|safetensors' })
}

/**
 * Converts a checkpoint file; the output is written whole or not at all.
 * @param options.select  dotted path of the part to keep, `model_state_dict` for the weights alone under their plain names
 * @returns what was written
 * @throws ERR_IO, ERR_CHECKPOINT, ERR_ARGUMENT
 */
export async function convertCheckpoint(input: string, output: string, options: { format?: TargetFormat; select?: string } = {}): Promise<{ format: TargetFormat; tensors: number }> {
  const format = options.format ?? formatOfName(output)
  const checkpoint = await readCheckpoint(input, { verify: true })
  let value = checkpoint.root
  if (options.select !== undefined) {
    for (const step of options.select.split('.')) value = member(value, step, options.select, input)
  }
  const tensors = collectTensors(value, input).size
  await writeFileAtomically(output, async (sink) => {
    if (format === 'safetensors') await writeSafetensors(value, sink, checkpoint.metadata)
    else await writeTorchZip(value, sink, path.basename(output, path.extname(output)) || 'archive')
  })
  return { format, tensors }
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
    .description('Convert a checkpoint between torch (.pkl, .pth: zip or legacy in, zip out) and safetensors.')
    .argument('<in>', 'the checkpoint to read')
    .argument('<out>', 'the file to write; its extension tells the format')
    .addOption(new Option('--format <format>', 'format of the output, whatever its extension').choices(['torch', 'safetensors']))
    .option('--select <path>', 'convert only this part, such as model_state_dict: the weights alone')
    .option('--force', 'replace the output if it is there')
    .option('--json', 'print JSON: {"output","format","tensors"}')
    .addHelpText('after', '\nExample:\n  siamtrain convert epoch-19.pkl weights.safetensors --select model_state_dict\n')
    .action(async (input: string, output: string, options: { format?: TargetFormat; select?: string; force?: boolean; json?: boolean }) => {
      if (options.force !== true && existsSync(output)) throw new SiamError('ERR_ARGUMENT', 'the output is already there', { file: output, hint: 'give --force to replace it' })
      const result = await convertCheckpoint(input, output, { format: options.format, select: options.select })
      process.stdout.write(options.json === true ? `${JSON.stringify({ output, ...result })}\n` : `${output}: ${result.tensors} tensors, ${result.format}\n`)
    })
}
