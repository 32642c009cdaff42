/**
 * Rows of filled polygons: which pixels of a row a polygon covers, as runs [first, last], and how many pixels two such sets share.
 * Runs take the place of the masks that the toolkits fill: the counts are the same, without touching a pixel.
 */

/** Runs of one row: first0, last0, first1, last1, … both ends included, sorted, apart from each other. `length` numbers are in use. */
export interface Runs {
  ends: Float64Array
  length: number
}

export function newRuns(corners: number): Runs {
  return { ends: new Float64Array(2 * corners), length: 0 }
}

/** Adds a run that begins no earlier than the last one; merges it with that where they touch or overlap. */
export function addRun(runs: Runs, first: number, last: number): void {
  const { ends, length } = runs
  if (length > 0 && first <= (ends[length - 1] as number)) {
    if (last > (ends[length - 1] as number)) ends[length - 1] = last
    return
  }
  ends[length] = first
  ends[length + 1] = last
  runs.length = length + 2
}

export function runPixels({ ends, length }: Runs): number {
  let sum = 0
  for (let i = 0; i < length; i += 2) sum += (ends[i + 1] as number) - (ends[i] as number) + 1
  return sum
}

/** How many pixels lie in both. */
export function sharedPixels(a: Runs, b: Runs): number {
  let sum = 0
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const lastA = a.ends[i + 1] as number
    const lastB = b.ends[j + 1] as number
    const width = Math.min(lastA, lastB) - Math.max(a.ends[i] as number, b.ends[j] as number) + 1
    if (width > 0) sum += width
    if (lastA < lastB) i += 2
    else j += 2
  }
  return sum
}

/** Sorts the first `length` numbers; a row crosses few edges, so by insertion. */
export function sortNodes(nodes: Float64Array, length: number): void {
  for (let i = 1; i < length; i++) {
    const value = nodes[i] as number
    let j = i - 1
    while (j >= 0 && (nodes[j] as number) > value) {
      nodes[j + 1] = nodes[j] as number
      j--
    }
    nodes[j + 1] = value
  }
}
