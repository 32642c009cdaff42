/** Sizes of memory as people write them: `8G`, `512M`, `1.5GiB`, `2000000`. */

import { totalmem } from 'node:os'

const powers = { '': 0, K: 1, M: 2, G: 3, T: 4 } as const

/**
 * K, M, G, T and KiB, MiB, … are powers of 1024; KB, MB, … of 1000. Upper or lower case, a space before the unit may be.
 * @returns bytes, or undefined for what is no size or has no whole number of bytes that a double holds
 */
export function parseByteSize(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined
  if (typeof value !== 'string') return undefined
  const match = /^(\d+(?:\.\d+)?)\s*(?:([KMGT]?)(B|iB)?)$/i.exec(value.trim())
  if (match === null) return undefined
  const [, digits = '', prefix = '', unit = ''] = match
  if (prefix === '' && (unit.length === 2 || digits.includes('.'))) return undefined
  const bytes = Math.floor(Number(digits) * (unit.length === 1 ? 1000 : 1024) ** powers[prefix.toUpperCase() as keyof typeof powers])
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/**
 * What is probably wrong with the bound of a cache; undefined where nothing is.
 * @param memoryBytes  that the machine has
 */
export function cacheWarning(bytes: number, memoryBytes: number): string | undefined {
  if (bytes > 0 && bytes < 2 ** 20) {
    const meant = bytes < 1024 ? `; did you mean ${bytes}G?` : ''
    return `a cache of ${bytes.toLocaleString('en-US')} byte${bytes === 1 ? '' : 's'} keeps next to no frames: a size without a unit is in bytes${meant}`
  }
  const gigabytes = (value: number): string => `${(value / 1e9).toFixed(1)} GB`
  if (bytes > memoryBytes) return `a cache of ${gigabytes(bytes)} is larger than the memory of this machine (${gigabytes(memoryBytes)}): once it fills, the run will be ended or swap`
  return undefined
}

/** Bytes that this process may have: the machine's, or less where a container has a bound of its own. */
export function machineMemory(): number {
  const bound = process.constrainedMemory()
  return bound > 0 ? Math.min(bound, totalmem()) : totalmem()
}

/** What {@link parseByteSize} takes, for messages. */
export const byteSizeText = 'a size in bytes such as 8G, 512M or 1000000000'
