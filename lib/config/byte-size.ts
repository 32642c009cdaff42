/** Sizes of memory as people write them: `8G`, `512M`, `1.5GiB`, `2000000`. */

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

/** What {@link parseByteSize} takes, for messages. */
export const byteSizeText = 'a size in bytes such as 8G, 512M or 1000000000'
