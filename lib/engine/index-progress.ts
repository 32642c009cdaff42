/** Progress while annotations are read, for whoever waits for a training to begin. */
import type { IndexProgress } from '../data/index.ts'
import { type ProgressBar, type ProgressOptions, createProgress } from './progress.ts'

/** Small data sets are read in a moment: nothing is shown before this. */
const quietSeconds = 1

/** Shows a bar for each data set once reading takes long; `close()` it when all are read. */
export function progressOfIndexing(
  mode: ProgressOptions['mode'],
  now: () => number = () => performance.now() / 1000,
  make: typeof createProgress = createProgress,
): { onProgress: (progress: IndexProgress) => void; close: () => void } {
  const begun = now()
  let dataset = ''
  let bar: ProgressBar | undefined
  const close = (): void => {
    bar?.close()
    bar = undefined
  }
  const onProgress = ({ dataset: name, done, total }: IndexProgress): void => {
    if (name !== dataset) close()
    dataset = name
    if (bar === undefined) {
      if (now() - begun < quietSeconds) return
      bar = make({ mode, total, description: `reading ${name}`, unit: 'seq', initial: done - 1 })
    }
    bar.update(done - bar.n)
  }
  return { onProgress, close }
}
