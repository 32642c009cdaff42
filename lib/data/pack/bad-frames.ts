/** Frames that are not in a pack, as problems of the data set. */
import type { NativeBadFrame } from '../../native/addon-pack.ts'
import type { DatasetIndex } from '../compact-index.ts'

export interface BadPackFrame {
  kind: 'missing_frame' | 'undecodable_frame'
  /** The folder of the frame's sequence. */
  sequence: string
  /** 0-based number in its sequence; of a still picture, the object. */
  frame: number
  file: string
  message: string
}

export function badFramesOf(index: DatasetIndex, frames: readonly NativeBadFrame[]): BadPackFrame[] {
  return frames.map(({ sequence, frame, code, file, message }) => {
    const missing = code === 'ERR_IO' && message.includes('No such file')
    return { kind: missing ? 'missing_frame' : 'undecodable_frame', sequence: index.sequenceDirs[sequence] ?? '', frame, file, message: missing ? 'the frame is missing' : message }
  })
}
