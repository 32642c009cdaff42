/**
 * `pretrain_model_path`: weights to begin from, of which what fits is taken. The original's rules, and what it only warns about as a report:
 *
 * - the table is the file's `model_state_dict` (also `state_dict`, `model`), or the file itself; `module.` before a name is dropped;
 * - a tensor of another shape is left out, a name that the model lacks is left over, and a name that the file lacks keeps its weights;
 * - a counter of batches that a file from before torch 0.4 lacks is not missing, and neither is a second name of a tensor that was loaded.
 *
 * Mended: a whole network's file serves for a backbone (its `basemodel.` tensors), the model zoo's ShuffleNet fits the backbone's `_model.`
 * (the original crashes or loads nothing), and a file of which nothing fits is an error.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { CheckpointTensor, matchStateDict, PyDict, readCheckpoint, type Checkpoint } from '../checkpoint/index.ts'
import { SiamError } from '../errors.ts'
import type { NamedRawTensor, ParameterInfo } from '../native/addon.ts'
import type { Model } from './model.ts'

/** What became of one file of pretrained weights. */
export interface PretrainedReport {
  /** The key that names the file: `train.track.model.backbone.AlexNet.pretrain_model_path`. */
  key: string
  file: string
  /** MD5 of the file in hex: the original's files carry theirs in their names. */
  md5: string
  /** What the weights are for: the parameters and buffers below `basemodel.`, or all. */
  part: PretrainedPart
  /** Loaded, by their names in the model. */
  loaded: string[]
  /** The model's, not in the file: they keep the weights they had. */
  missing: string[]
  /** In both, but of another shape or type; the model's keep the weights they had. */
  mismatched: { name: string; expected: string; actual: string }[]
  /** The file's names for which the model has no place. */
  unexpected: string[]
}

export type PretrainedPart = 'backbone' | 'network'

const backbonePrefix = 'basemodel.'
/** Where the ShuffleNet backbone keeps the layers of the model zoo's network. */
const zooPrefix = 'basemodel._model.'
const wrappers = ['model_state_dict', 'state_dict', 'model']

/**
 * The tensors of a file by name, and the names of what is no tensor.
 * @throws ERR_CHECKPOINT when the file holds no dict, or two names are one without their `module.`
 */
export function pretrainedTable({ root, file }: Pick<Checkpoint, 'root' | 'file'>): { tensors: Map<string, CheckpointTensor>; others: string[] } {
  if (!(root instanceof PyDict)) throw new SiamError('ERR_CHECKPOINT', 'Expected a dict with "model_state_dict", or of tensors', { file })
  const table = wrappers.map((key) => root.get(key)).find((value) => value instanceof PyDict) ?? root
  const tensors = new Map<string, CheckpointTensor>()
  const others: string[] = []
  for (const [key, value] of table) {
    const name = String(key).replace(/^(module\.)+/, '')
    if (!(value instanceof CheckpointTensor)) others.push(name)
    else if (tensors.has(name)) throw new SiamError('ERR_CHECKPOINT', `two tensors are named ${JSON.stringify(name)} when "module." is dropped`, { file })
    else tensors.set(name, value)
  }
  return { tensors, others }
}

/**
 * Which tensors of a file go where.
 * @param described the model's parameters and buffers
 * @param table     the file's tensors by their own names
 * @returns the tensors to load, by the model's names, and the lists of the report
 */
export function fitPretrained(
  described: readonly ParameterInfo[],
  table: ReadonlyMap<string, CheckpointTensor>,
  part: PretrainedPart,
): { tensors: NamedRawTensor[] } & Pick<PretrainedReport, 'loaded' | 'missing' | 'mismatched' | 'unexpected'> {
  const expected = part === 'network' ? described : described.filter(({ name }) => name.startsWith(backbonePrefix))
  const known = new Set(expected.map(({ name }) => name))
  // A whole network's file: what it calls `head.` is no part of a backbone, even where the backbone has a `head.` of its own.
  const isNetwork = Array.from(table.keys()).some((name) => name.startsWith(backbonePrefix))
  const candidates = (name: string): string[] => (part === 'network' || isNetwork ? [name] : [backbonePrefix + name, zooPrefix + name])
  const renamed = new Map<string, CheckpointTensor>()
  const unexpected: string[] = []
  for (const [name, tensor] of table) {
    const place = candidates(name).find((candidate) => known.has(candidate) && !renamed.has(candidate))
    if (place === undefined) unexpected.push(name)
    else renamed.set(place, tensor)
  }
  const { loaded: tensors, missing, mismatched } = matchStateDict(expected, renamed, { strict: false })
  const loaded = new Set(tensors.map(({ name }) => name))
  const tensorOf = new Map(expected.map(({ name, aliasOf }) => [name, aliasOf ?? name]))
  const filled = new Set(Array.from(loaded, (name) => tensorOf.get(name)))
  const isMissing = (name: string): boolean =>
    !filled.has(tensorOf.get(name)) && !(name.endsWith('.num_batches_tracked') && loaded.has(name.replace(/num_batches_tracked$/, 'running_mean')))
  return { tensors, loaded: [...loaded], missing: missing.filter(isMissing), mismatched, unexpected }
}

/**
 * Loads what fits of a file into `model` and adds to `model.pretrained`.
 * @param key the configuration's key that names the file
 * @throws ERR_IO, ERR_CHECKPOINT when the file cannot be read or nothing of it fits; the model is then unchanged
 */
export async function loadPretrained(model: Model, file: string, part: PretrainedPart, key: string): Promise<PretrainedReport> {
  const hint = key.startsWith('train.') ? `set ${key}= (empty) to start from random weights` : undefined
  const taken = path.isAbsolute(file) ? '' : `, taken from the working directory ${process.cwd()}`
  let checkpoint: Checkpoint
  let table: ReturnType<typeof pretrainedTable>
  try {
    checkpoint = await readCheckpoint(file)
    table = pretrainedTable(checkpoint)
  } catch (error) {
    if (!(error instanceof SiamError)) throw error
    throw new SiamError(error.code, `the pretrained weights of ${key}${taken}: ${error.message}`, { file, cause: error, hint })
  }
  const { tensors, unexpected, ...lists } = fitPretrained(model.describe(), table.tensors, part)
  const report: PretrainedReport = { key, file, md5: await md5Of(file), part, ...lists, unexpected: [...unexpected, ...table.others] }
  if (tensors.length === 0) throw new SiamError('ERR_CHECKPOINT', nothingFits(report), { file, hint: otherPart(model, table.tensors, part) ?? hint })
  await model.native.loadStateDict(tensors)
  model.pretrained = [...model.pretrained, report]
  return report
}

function nothingFits({ key, part, unexpected, mismatched, missing }: PretrainedReport): string {
  const theirs = mismatched.length > 0 ? `other shapes: ${some(mismatched.map(mismatchText))}` : `the file has ${some(unexpected) || 'nothing'}`
  return `nothing of this file fits the ${part} (${key}): ${theirs}; the model has ${some(missing.concat(mismatched.map(({ name }) => name)))}`
}

/** What to do about a backbone's weights where a network's are expected. */
function otherPart(model: Model, table: ReadonlyMap<string, CheckpointTensor>, part: PretrainedPart): string | undefined {
  if (part === 'backbone' || fitPretrained(model.describe(), table, 'backbone').tensors.length === 0) return undefined
  return "they are a backbone's: name the file at model.backbone.X.pretrain_model_path"
}

/** One line: how much was loaded and what was not. */
export function describePretrained({ file, md5, part, loaded, missing, mismatched, unexpected }: PretrainedReport): string {
  const parts = [`Loaded ${loaded.length} of the ${part}'s ${loaded.length + missing.length + mismatched.length} tensors from ${file} (md5 ${md5})`]
  if (missing.length > 0) parts.push(`missing ${missing.length}: ${some(missing)}`)
  if (mismatched.length > 0) parts.push(`other shapes ${mismatched.length}: ${some(mismatched.map(mismatchText))}`)
  if (unexpected.length > 0) parts.push(`left over ${unexpected.length}: ${some(unexpected)}`)
  return parts.join('; ')
}

function mismatchText({ name, actual, expected }: PretrainedReport['mismatched'][number]): string {
  return `${name} is ${actual} where the model has ${expected}`
}

function some(names: readonly string[], atMost = 3): string {
  return names.slice(0, atMost).join(', ') + (names.length > atMost ? ', …' : '')
}

async function md5Of(file: string): Promise<string> {
  const hash = createHash('md5')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}
