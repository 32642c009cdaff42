/**
 * The binary form of result files that the Python toolkit writes by default (`SEQ_001.bin`), little endian: version (int16, 1), number of
 * frames (uint32), then for each frame a byte that tells its kind: 0 a code (uint32), 1 x,y,w,h (4 × float32), 2 a polygon (uint16 corners,
 * then float32 x, y of each). Kinds 3 (mask) and 4 (point) are of other challenges.
 */
import { SiamError } from '../../errors.ts'
import type { Trajectory, VotLine } from './trajectory.ts'

/**
 * @param frames  how many there must be
 * @param file    named in messages
 * @throws ERR_DATA for another number of frames, another version, masks, points, or a file that is cut off
 */
export function parseBinaryTrajectory(bytes: Uint8Array, frames: number, file: string): Trajectory {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const take = (size: number): number => {
    if (at + size > view.byteLength) throw new SiamError('ERR_DATA', `the file ends within a region, after ${view.byteLength} bytes`, { file })
    at += size
    return at - size
  }
  const version = view.getInt16(take(2), true)
  if (version !== 1) throw new SiamError('ERR_DATA', `Expected version 1 of the binary results but found ${version}`, { file })
  const count = view.getUint32(take(4), true)
  if (count !== frames) throw new SiamError('ERR_DATA', `Expected ${frames} regions, one a frame of the annotation, but found ${count}`, { file })
  const floats = (number: number): number[] => {
    const start = take(4 * number)
    return Array.from({ length: number }, (_, i) => view.getFloat32(start + 4 * i, true))
  }
  const lines: VotLine[] = []
  for (let frame = 1; frame <= count; frame++) {
    const kind = view.getUint8(take(1))
    if (kind === 0) {
      const code = view.getUint32(take(4), true)
      if (code > 2) throw new SiamError('ERR_DATA', `Expected a code (0, 1 or 2) in frame ${frame} but found ${code}`, { file })
      lines.push(code as VotLine)
    } else if (kind === 1 || kind === 2) {
      const region = floats(kind === 1 ? 4 : 2 * view.getUint16(take(2), true))
      if (kind === 2 && region.length < 6) throw new SiamError('ERR_DATA', `Expected a polygon of three corners or more in frame ${frame} but found ${region.length / 2}`, { file })
      lines.push(region.every(Number.isFinite) ? region : 0)
    } else {
      throw new SiamError('ERR_DATA', `Expected a code, a box or a polygon in frame ${frame} but found ${kind === 3 ? 'a mask' : kind === 4 ? 'a point' : `the kind ${kind}`}`, { file })
    }
  }
  return lines
}
