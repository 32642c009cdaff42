/** Reading `groundtruth.txt`: one box a line, four numbers between commas, tabs or spaces. */
import { axisAlignedBox, centerToRect } from './polygon.ts'

export interface GroundTruth {
  /** Number of lines, trailing empty ones left out; line k + 1 is frame k. */
  count: number
  /** [count × 4], as they stand in the file; NaN in a line that cannot be read. */
  values: Float64Array
  /** Frame → why its line cannot be read. */
  unparsable: Map<number, string>
}

export interface GroundTruthOptions {
  /** true: a line may also be 8 numbers, a polygon of four corners, which becomes the upright box of {@link axisAlignedBox}. */
  polygons?: boolean
}

const [newline, carriageReturn, comma, minus, point, zero] = [0x0a, 0x0d, 0x2c, 0x2d, 0x2e, 0x30]
const powersOf10 = Float64Array.from({ length: 16 }, (_, k) => 10 ** k)

/**
 * @param source  the whole file, with any kind of line ends and with or without a byte order mark. Bytes are quicker than text:
 *   TrackingNet has 14 million lines, which should take a second or two
 */
export function parseGroundTruth(source: Uint8Array | string, options: GroundTruthOptions = {}): GroundTruth {
  const bytes = typeof source === 'string' ? Buffer.from(source) : source
  const unparsable = new Map<number, string>()
  let values = new Float64Array(Math.max(64, (bytes.length >> 4) * 4))
  let count = 0
  // The last line that is not blank.
  let end = 0
  let at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
  while (at < bytes.length) {
    if (values.length < count * 4 + 4) {
      const larger = new Float64Array(values.length * 2)
      larger.set(values)
      values = larger
    }
    const next = parsePlainLine(bytes, at, values, count * 4)
    if (next >= 0) {
      at = next
      end = count + 1
    } else {
      const stop = endOfLine(bytes, at)
      const line = Buffer.from(bytes.buffer, bytes.byteOffset + at, stop - at).toString('utf8')
      const bad = parseLine(line, values, count * 4, options.polygons === true)
      if (bad !== '') {
        unparsable.set(count, bad)
        values.fill(Number.NaN, count * 4, count * 4 + 4)
      }
      if (line.trim() !== '') end = count + 1
      at = afterLineEnd(bytes, stop)
    }
    count += 1
  }
  for (let k = end; k < count; k += 1) unparsable.delete(k)
  return { count: end, values: values.slice(0, end * 4), unparsable }
}

/**
 * The usual form, read without making text of it: `12,34.5,-6,7.0000`. A number of at most 15 digits is one exact division of two exact
 * numbers, so the result is what `Number` gives.
 * @returns where the next line begins, or −1 when this one is of another form
 */
function parsePlainLine(bytes: Uint8Array, start: number, values: Float64Array, to: number): number {
  let at = start
  for (let i = 0; i < 4; i += 1) {
    const negative = bytes[at] === minus
    if (negative) at += 1
    let mantissa = 0
    let digits = 0
    let decimals = -1
    for (; ; at += 1) {
      const byte = bytes[at] as number
      if (byte >= zero && byte <= zero + 9) {
        mantissa = mantissa * 10 + (byte - zero)
        digits += 1
        if (decimals >= 0) decimals += 1
      } else if (byte === point && decimals < 0) decimals = 0
      else break
    }
    if (digits === 0 || digits > 15) return -1
    const value = decimals > 0 ? mantissa / (powersOf10[decimals] as number) : mantissa
    values[to + i] = negative ? -value : value
    if (i < 3) {
      if (bytes[at] !== comma) return -1
      at += 1
    }
  }
  if (at === bytes.length) return at
  return bytes[at] === newline || bytes[at] === carriageReturn ? afterLineEnd(bytes, at) : -1
}

/** Any other form. @returns what is wrong with the line, or '' */
function parseLine(line: string, values: Float64Array, to: number, polygons: boolean): string {
  // Some programs write the separator behind the last number as well.
  const parts = line.trim().replace(/[,;]$/, '').trimEnd().split(/\s*[,;\s]\s*/)
  const corners = polygons && parts.length === 8
  if (parts.length !== 4 && !corners) {
    const expected = `expected 4 numbers x,y,w,h${polygons ? ' or the 8 of a polygon of four corners' : ''}`
    return `${expected} but found ${line.trim() === '' ? 'an empty line' : `${parts.length} field${parts.length === 1 ? '' : 's'}`}`
  }
  const numbers: number[] = []
  for (const token of parts) {
    const infinite = /^([+-]?)inf(?:inity)?$/i.exec(token)
    const value = infinite !== null ? (infinite[1] === '-' ? -Infinity : Infinity) : /^(?:0[xob].*)?$/i.test(token) ? Number.NaN : Number(token)
    if (Number.isNaN(value) && !/^[+-]?nan$/i.test(token)) return `expected a number but found ${JSON.stringify(token.slice(0, 40))}`
    numbers.push(value)
  }
  values.set(corners ? centerToRect(axisAlignedBox(numbers)) : numbers, to)
  return ''
}

function endOfLine(bytes: Uint8Array, start: number): number {
  let at = start
  while (at < bytes.length && bytes[at] !== newline && bytes[at] !== carriageReturn) at += 1
  return at
}

/** @param at  at the line end's first byte, or at the end of the file */
function afterLineEnd(bytes: Uint8Array, at: number): number {
  return bytes[at] === carriageReturn && bytes[at + 1] === newline ? at + 2 : at + 1
}
