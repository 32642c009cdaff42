/** Reading a pack's manifest; nothing of it is trusted. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { SiamError } from '../../errors.ts'
import { isMissing } from '../files.ts'
import { type PackManifest, packFormat, packManifestFile, packVersion } from './format.ts'

type Shape = { readonly [key: string]: 'text' | 'count' | 'number' | 'mapping' | Shape | readonly [Shape] }

const file: Shape = { file: 'text', bytes: 'count' }
/** What {@link PackManifest} has, in a form that can be checked. */
const shape: Shape = {
  product: 'text',
  dataset: { name: 'text', params: 'mapping' },
  crop: { contextAmount: 'number', maxScale: 'number', maxShift: 'number', maxScaleTemp: 'number', maxShiftTemp: 'number', zSize: 'count', xSize: 'count' },
  contextFactor: 'number',
  density: 'number',
  quality: 'count',
  subsampling: 'text',
  sequences: 'count',
  frames: 'count',
  stored: 'count',
  bytes: 'count',
  index: file,
  table: file,
  shards: [{ ...file, entries: 'count' }],
}

/**
 * @param dir  the folder of one data set's pack
 * @returns its manifest; null where there is none: the pack is not finished, or there is no pack
 * @throws ERR_DATA when it is of another version, damaged, or no manifest; ERR_IO when it cannot be read
 */
export async function readPackManifest(dir: string): Promise<PackManifest | null> {
  const manifest = path.join(dir, packManifestFile)
  let text: string
  try {
    text = await readFile(manifest, 'utf8')
  } catch (error) {
    if (isMissing(error)) return null
    throw new SiamError('ERR_IO', `cannot read it: ${(error as Error).message}`, { file: manifest, cause: error })
  }
  return parsePackManifest(text, manifest)
}

/** @param manifest  named in the errors; see {@link readPackManifest} */
export function parsePackManifest(text: string, manifest: string): PackManifest {
  const fail = (message: string): SiamError => new SiamError('ERR_DATA', message, { file: manifest })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw fail(`Expected the manifest of a pack but it is no JSON: ${(cause as Error).message}`)
  }
  if (!isMapping(value) || value['format'] !== packFormat) throw fail(`Expected the manifest of a pack ("format": "${packFormat}") but it is something else`)
  if (value['version'] !== packVersion) {
    throw new SiamError('ERR_DATA', `the pack is of version ${JSON.stringify(value['version'])} of the format, but this package reads version ${packVersion}`, {
      file: manifest,
      hint: 'make the pack again, or use the version of the package that made it',
    })
  }
  const problem = misfit(value, shape, '')
  if (problem !== null) throw fail(`the manifest of the pack is damaged: expected ${problem}`)
  const read = value as unknown as PackManifest
  for (const name of [read.index.file, read.table.file, ...read.shards.map((shard) => shard.file)]) {
    // A pack must not make us read what lies elsewhere.
    if (name === '' || name !== path.basename(name) || name === '..') throw fail(`the manifest of the pack is damaged: expected names of files beside it but found ${JSON.stringify(name)}`)
  }
  return read
}

/** @returns what was expected where, or null */
function misfit(value: unknown, expected: Shape[string], where: string): string | null {
  if (expected === 'text') return typeof value === 'string' ? null : `a text for ${where}`
  if (expected === 'count') return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? null : `a count for ${where}`
  if (expected === 'number') return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? null : `a number for ${where}`
  if (Array.isArray(expected)) {
    if (!Array.isArray(value)) return `a list for ${where}`
    for (const [i, item] of value.entries()) {
      const problem = misfit(item, expected[0] as Shape, `${where}.${i}`)
      if (problem !== null) return problem
    }
    return null
  }
  if (!isMapping(value)) return `a mapping for ${where}`
  if (expected === 'mapping') return null
  for (const [key, of] of Object.entries(expected as Shape)) {
    const problem = misfit(value[key], of, where === '' ? key : `${where}.${key}`)
    if (problem !== null) return problem
  }
  return null
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
