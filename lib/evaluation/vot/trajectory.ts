/**
 * Result lines of the VOT protocols: a code or a region for each frame.
 */
import { SiamError } from '../../errors.ts'

/** 0: skipped or unknown; 1: the tracker was given the target here; 2: it failed here. */
export type VotCode = 0 | 1 | 2

/** One frame of a result: a code, or what the tracker gave: x,y,w,h or x1,y1,x2,y2,… of three corners or more, pixels. */
export type VotLine = VotCode | readonly number[]

export type Trajectory = readonly VotLine[]

/**
 * Reads the lines of a result file. Numbers may be separated by commas, tabs or spaces. A region with a NaN or inf counts as unknown, as in the
 * VOT toolkits; their older form NaN,NaN,NaN,-code as that code.
 * @param frames  how many lines there must be
 * @param file    named in messages
 * @throws ERR_DATA for another number of lines, or a line that is neither a code nor a region, with its number
 */
export function parseTrajectory(text: string, frames: number, file: string): Trajectory {
  const lines = text.replace(/^\ufeff/, '').trimEnd().split(/\r\n?|\n/)
  if (lines.length === 1 && lines[0] === '') throw new SiamError('ERR_DATA', `Expected ${frames} lines, one a frame, but the file is empty`, { file })
  if (lines.length !== frames) throw new SiamError('ERR_DATA', `Expected ${frames} lines, one a frame of the annotation, but found ${lines.length}`, { file, line: Math.min(lines.length, frames) })
  return lines.map((line, i) => parseLine(line, i + 1, file))
}

function parseLine(text: string, line: number, file: string): VotLine {
  const parts = text.trim().split(/\s*[,;\t ]\s*/)
  const numbers = parts.map((part) => (/^[-+]?(?:nan|inf(?:inity)?)$/i.test(part) ? Number.NaN : part === '' ? undefined : finite(part)))
  if (numbers.some((value) => value === undefined)) throw malformed(text, line, file)
  const values = numbers as number[]
  if (values.length === 1) {
    const [code] = values as [number]
    if (code === 0 || code === 1 || code === 2) return code
    if (Number.isNaN(code)) return 0
    throw malformed(text, line, file)
  }
  if (values.length !== 4 && (values.length < 6 || values.length % 2 !== 0)) throw malformed(text, line, file)
  if (!values.some(Number.isNaN)) return values
  const code = -(values[3] as number)
  return values.length === 4 && (code === 1 || code === 2) ? code : 0
}

/** @returns undefined for what is no finite number */
function finite(part: string): number | undefined {
  const value = Number(part)
  return Number.isFinite(value) ? value : undefined
}

function malformed(text: string, line: number, file: string): SiamError {
  const shown = text.length > 60 ? `${text.slice(0, 57)}…` : text
  return new SiamError('ERR_DATA', `Expected a code (0, 1 or 2), x,y,w,h or a polygon of three corners or more but found ${JSON.stringify(shown)}`, { file, line })
}
