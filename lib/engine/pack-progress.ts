/** Progress while packs are written: a bar with frames/s, MB and the time left on a terminal, lines elsewhere. */
import { type ProgressBar, type ProgressOptions, createProgress } from './progress.ts'

export interface PackingProgress {
  dataset: string
  /** Frames, those included that an earlier run had done. */
  done: number
  total: number
  /** Of `done`: by an earlier run. */
  reused: number
  /** Of shards. */
  bytes: number
}

/** A bar for each data set; `close()` it at the end. */
export function progressOfPacking(mode: ProgressOptions['mode'], make: typeof createProgress = createProgress): { onPacking: (progress: PackingProgress) => void; close: () => void } {
  let dataset = ''
  let bar: ProgressBar | undefined
  const close = (): void => {
    bar?.close()
    bar = undefined
  }
  const onPacking = ({ dataset: name, done, total, reused, bytes }: PackingProgress): void => {
    if (name !== dataset) close()
    dataset = name
    // What an earlier run had done is looked at first and quickly: a rate that counts it would promise an end that does not come.
    if (bar === undefined && done === reused && done < total) return
    bar ??= make({ mode, total, description: `pack ${name}`, unit: 'frame', initial: Math.min(reused, done) })
    bar.setDescription(`pack ${name}, ${(bytes / 1e6).toFixed(0)} MB`)
    if (done > bar.n) bar.update(done - bar.n)
  }
  return { onPacking, close }
}
