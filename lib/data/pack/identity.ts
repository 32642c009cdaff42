/** What a pack is made of and how: two runs with the same identity write the same bytes. */
import { open } from 'node:fs/promises'
import path from 'node:path'
import type { LoaderSpec } from '../../native/addon.ts'
import { headerBytes } from '../index-file.ts'
import { packedParams } from './fits.ts'
import { type PackManifest, packIndexFile } from './format.ts'

export interface PackIdentity {
  dataset: { name: string; params: Record<string, unknown> }
  crop: LoaderSpec['crop']
  contextFactor: number
  density: number
  quality: number
  subsampling: '420' | '444'
  sequences: number
  frames: number
}

/** The identity of a finished pack. */
export function identityOf({ dataset, crop, contextFactor, density, quality, subsampling, sequences, frames }: PackManifest): PackIdentity {
  return { dataset, crop, contextFactor, density, quality, subsampling: subsampling === '444' ? '444' : '420', sequences, frames }
}

/**
 * @param before  of what is in the folder     @param now  of what was asked for
 * @returns what differs, one text each: 'max_shift is 0.5, was 0.4'; empty where nothing does
 */
export function differences(before: PackIdentity, now: PackIdentity): string[] {
  const old = flat(before)
  const wanted = flat(now)
  const keys = new Set([...old.keys(), ...wanted.keys()])
  return [...keys].filter((key) => old.get(key) !== wanted.get(key)).map((key) => `${shownName(key)} is ${shownPair(wanted.get(key), old.get(key))}, was ${shownPair(old.get(key), wanted.get(key))}`)
}

/** As the configuration and the command call it: crop.maxShiftTemp is max_shift_temp, contextFactor the context factor. */
function shownName(key: string): string {
  if (key === 'contextFactor') return 'context factor'
  return key.startsWith('crop.') ? key.slice('crop.'.length).replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) : key
}

/** A number rounded, unless that makes it the other one: 4.342520 and not 4.342519685039371. */
function shownPair(value: string | undefined, other: string | undefined): string {
  const rounded = (text: string | undefined): string => (text === undefined ? 'not set' : /^-?[\d.]+(?:e[+-]?\d+)?$/.test(text) ? String(Number(Number(text).toPrecision(4))) : text)
  return rounded(value) === rounded(other) ? (value ?? 'not set') : rounded(value)
}

/** Names and values of all leaves; where data lie does not count, nor how they are sampled. */
function flat({ dataset, ...rest }: PackIdentity): Map<string, string> {
  const leaves = new Map<string, string>()
  const walk = (prefix: string, value: unknown): void => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) for (const [key, item] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) walk(prefix === '' ? key : `${prefix}.${key}`, item)
    else if (value !== undefined) leaves.set(prefix, JSON.stringify(value))
  }
  walk('data set', dataset.name)
  walk(dataset.name, packedParams(dataset.params))
  walk('', rest)
  return leaves
}

/**
 * The header of the index in a pack's folder: it holds checksums of every part, so that equal headers are equal indexes.
 * @returns null where there is none
 */
export async function indexHeader(dir: string): Promise<Buffer | null> {
  const file = await open(path.join(dir, packIndexFile), 'r').catch(() => null)
  if (file === null) return null
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headerBytes), 0, headerBytes, 0)
    return bytesRead === headerBytes ? buffer : null
  } finally {
    await file.close()
  }
}
