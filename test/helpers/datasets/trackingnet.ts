/** A small TrackingNet: ROOT/TRAIN_N/{anno/NAME.txt, frames/NAME/0.jpg, …} and ROOT/TEST with first boxes only. */
import path from 'node:path'
import { type ExampleOptions, writeLines, writeVideo } from './moving-object.ts'

export interface TrackingNetOptions extends ExampleOptions {
  /** Chunks of the training set that are there; default 0 and 3. */
  chunks?: readonly number[]
  /** Sequences of a chunk; default 2. */
  sequences?: number
  test?: boolean
}

/** Names as YouTube's identifiers are. */
export const trackingNetName = (chunk: number | 'TEST', s: number): string => `-A${chunk}b_${s}xZ_0`

export function makeTrackingNet(root: string, options: TrackingNetOptions = {}): string {
  const { chunks = [0, 3], sequences = 2, test = false } = options
  for (const chunk of [...chunks, ...(test ? (['TEST'] as const) : [])]) {
    const dir = path.join(root, chunk === 'TEST' ? chunk : `TRAIN_${chunk}`)
    for (let s = 0; s < sequences; s += 1) {
      const name = trackingNetName(chunk, s)
      const boxes = writeVideo(s + (chunk === 'TEST' ? 90 : 10 * chunk), options, (k) => path.join(dir, 'frames', name, `${k}.jpg`))
      const lines = boxes.map((box) => box.map((value) => value.toFixed(2)).join(','))
      writeLines(path.join(dir, 'anno', `${name}.txt`), chunk === 'TEST' ? lines.slice(0, 1) : lines)
    }
  }
  return root
}
