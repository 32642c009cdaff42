/** Reading `groundtruth.txt`: one box a line, four numbers between commas, tabs or spaces. */

export interface GroundTruth {
  /** Number of lines, trailing empty ones left out; line k + 1 is frame k. */
  count: number
  /** [count × 4], as they stand in the file; NaN in a line that cannot be read. */
  values: Float64Array
  /** Frame → why its line cannot be read. */
  unparsable: Map<number, string>
}

/** @param text the whole file, with any kind of line ends and with or without a byte order mark */
export function parseGroundTruth(text: string): GroundTruth {
  const lines = (text.charCodeAt(0) === 0xfeff ? text.slice(1) : text).split(/\r\n|\n|\r/)
  while (lines.length > 0 && lines[lines.length - 1]?.trim() === '') lines.pop()
  const values = new Float64Array(lines.length * 4)
  const unparsable = new Map<number, string>()
  for (let k = 0; k < lines.length; k += 1) {
    const line = lines[k] ?? ''
    // The usual form first: GOT-10k's training set has 1.4 million of these lines.
    let parts = line.split(',')
    if (parts.length !== 4 || /\s/.test(line)) parts = line.trim().split(/\s*[,;\s]\s*/)
    let bad = parts.length !== 4 ? `expected 4 numbers x,y,w,h but found ${line.trim() === '' ? 'an empty line' : `${parts.length} field${parts.length === 1 ? '' : 's'}`}` : ''
    for (let i = 0; bad === '' && i < 4; i += 1) {
      const token = parts[i] ?? ''
      const value = token === '' ? Number.NaN : Number(token)
      if (Number.isNaN(value) && !/^[+-]?nan$/i.test(token)) {
        const infinite = /^([+-]?)inf(?:inity)?$/i.exec(token)
        if (infinite === null) bad = `expected a number but found ${JSON.stringify(token.slice(0, 40))}`
        else values[k * 4 + i] = infinite[1] === '-' ? -Infinity : Infinity
      } else values[k * 4 + i] = value
    }
    if (bad !== '') {
      unparsable.set(k, bad)
      values.fill(Number.NaN, k * 4, k * 4 + 4)
    }
  }
  return { count: lines.length, values, unparsable }
}

/** Reads a `.label` file (absence.label, cover.label, cut_by_image.label): one integer a line. */
export function parseLabels(text: string): Int32Array {
  return Int32Array.from(text.split(/\s+/).filter((token) => token !== ''), (token) => Number.parseInt(token, 10) || 0)
}
