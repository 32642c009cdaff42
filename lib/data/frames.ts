/**
 * File names of a sequence's frames: which files count, their order, and the pattern that stands for all of them.
 */
import type { FramePattern } from './source.ts'

const jpegName = /\.jpe?g$/i
const pictureName = /\.(?:png|webp)$/i

/** Whether a file name is that of a frame. */
export function isFrameName(name: string): boolean {
  return jpegName.test(name) || pictureName.test(name)
}

/**
 * Names that are frames, in the order of the file names: the JPEGs (as the original's `sorted(glob('*.jpg'))`); where there is none, PNG and
 * WebP. So a mask or a thumbnail beside JPEG frames is no frame.
 */
export function frameNamesOf(names: readonly string[]): string[] {
  const jpegs = names.filter((name) => jpegName.test(name))
  return (jpegs.length > 0 ? jpegs : names.filter(isFrameName)).sort()
}

/**
 * The pattern that gives exactly these names, in this order: one number that counts up by one, the rest constant.
 * @returns null where there is none (numbers missing, several widths without zeros in front, no number at all)
 */
export function patternOf(names: readonly string[]): Omit<FramePattern, 'dir'> | null {
  const first = names[0]
  if (first === undefined) return null
  // The last run of digits counts: 'cam2_0001.jpg'. A '%' would need escaping; such names go the long way.
  const match = /^(?<prefix>[^%]*?)(?<digits>\d+)(?<suffix>[^\d%]*)$/.exec(first)
  if (match?.groups === undefined) return null
  const { prefix = '', digits = '', suffix = '' } = match.groups
  const start = Number(digits)
  if (!Number.isSafeInteger(start + names.length) || start + names.length > 0x7fffffff) return null
  // One digit may be '%d' ('7.jpg', '8.jpg', …), but sorted by name '10.jpg' comes before '2.jpg': the check below finds that.
  const pattern = { pattern: digits.length === 1 ? `${prefix}%d${suffix}` : `${prefix}%0${digits.length}d${suffix}`, first: start, count: names.length }
  for (let k = 0; k < names.length; k += 1) {
    if (names[k] !== `${prefix}${String(start + k).padStart(digits.length, '0')}${suffix}`) return null
  }
  return pattern
}

/**
 * The pattern and the numbers that give exactly these names, in this order: one number that changes, the rest constant.
 * @returns null where there is none
 */
export function numberedOf(names: readonly string[]): { pattern: string; numbers: Int32Array } | null {
  const match = /^(?<prefix>[^%]*?)(?<digits>\d+)(?<suffix>[^\d%]*)$/.exec(names[0] ?? '')
  if (match?.groups === undefined) return null
  const { prefix = '', digits = '', suffix = '' } = match.groups
  // Numbers without zeros in front may be of any width, those with zeros are all as wide as the first.
  const widths = names.every((name) => name.length === names[0]?.length) ? [digits.length, 0] : [0]
  for (const width of widths) {
    const numbers = new Int32Array(names.length)
    const fits = names.every((name, k) => {
      const number = Number(name.slice(prefix.length, name.length - suffix.length))
      numbers[k] = number
      return numbers[k] === number && number >= 0 && name === `${prefix}${String(number).padStart(width, '0')}${suffix}`
    })
    if (fits) return { pattern: `${prefix}%${width > 1 ? `0${width}` : ''}d${suffix}`, numbers }
  }
  return null
}

/** The name of frame `k` (0-based) of a pattern. */
export function nameFromPattern(pattern: Omit<FramePattern, 'dir'>, k: number): string {
  return pattern.pattern.replace(/%(?:0(\d+))?d/, (_, width: string | undefined) => String(pattern.first + k).padStart(Number(width ?? 0), '0'))
}

/** Whether a pattern is one that {@link nameFromPattern} and the loader understand. */
export function isFramePattern(pattern: string): boolean {
  return /^[^%]*%(?:0\d{1,2})?d[^%]*$/.test(pattern)
}
