/** Frames that were bad when a pack was made may be there now: the same command looks at them again. */
import { open } from 'node:fs/promises'
import path from 'node:path'
import { SiamError } from '../../errors.ts'
import type { NativeBadFrame } from '../../native/addon-pack.ts'
import type { NativeDatasetIndex } from '../../native/addon.ts'
import { loadAddon } from '../../native/load.ts'
import { packageVersion } from '../../version.ts'
import { ioError } from '../../checkpoint/io-error.ts'
import { plural } from '../problems.ts'
import { follow } from './follow.ts'
import { type PackManifest, packRowBytes } from './format.ts'
import type { PackIdentity } from './identity.ts'

/** What can be done where more frames are bad than may be. */
export const tooManyHint = 'when they are there again, the same command goes on; --allow-bad N makes the pack with up to N frames missing'

interface Pack {
  folder: string
  identity: PackIdentity
  frames: NativeDatasetIndex
  members: NativeDatasetIndex
}

interface LookOptions {
  threads: number
  strict: boolean
  maxBad: number
  signal: AbortSignal | undefined
  log: ((line: string) => void) | undefined
}

/**
 * @returns the frames that are bad still, and how many shards are to be made anew because frames of theirs can be used now
 * @throws ERR_DATA when more than `maxBad` are bad still, or the table is damaged; the first one's error when strict
 */
export async function lookAgain(manifest: PackManifest, { folder, identity, frames, members }: Pack, { threads, strict, maxBad, signal, log }: LookOptions): Promise<{ bad: NativeBadFrame[]; anew: number }> {
  const missing = manifest.frames - manifest.stored
  if (missing === 0) return { bad: [], anew: 0 }
  const table = path.join(folder, manifest.table.file)
  const rows = await rowsWithout(table, manifest.frames)
  if (rows.row.length !== missing) {
    throw new SiamError('ERR_DATA', `Expected ${missing} rows without a picture, as the manifest says, but the pack's table has ${rows.row.length}`, { file: table, hint: '--overwrite makes the pack anew' })
  }
  const name = manifest.dataset.name
  log?.(`${name}: ${plural(missing, 'frame')} could not be used when the pack was made; looking at them again`)
  const samples = await follow(loadAddon().createPackEstimate({ ...identity, frames, members, rows: Float64Array.from(rows.row), threads }), signal)
  const bad = samples.flatMap((sample) => sample.bad ?? [])
  const [first] = bad
  if (first !== undefined && strict) throw new SiamError(first.code, first.message, { file: first.file })
  if (first !== undefined && bad.length > maxBad) {
    throw new SiamError('ERR_DATA', `${name}: ${bad.length} frames of ${manifest.frames} could not be used, and at most ${maxBad} may be; the first: ${first.message}`, { file: first.file, hint: tooManyHint })
  }
  const usable = missing - bad.length
  if (usable === 0) return { bad, anew: 0 }
  if (manifest.product !== packageVersion) {
    // Another version may make other pictures: one pack has those of one version.
    throw new SiamError('ERR_DATA', `${plural(usable, 'frame')} that could not be used before can be now, but version ${manifest.product} of the package made this pack`, { file: folder, hint: '--overwrite makes it anew' })
  }
  const anew = new Set(rows.shard).size
  log?.(`${name}: ${usable} of them can be used now; ${plural(anew, 'shard')} of ${manifest.shards.length} ${anew === 1 ? 'is' : 'are'} made anew`)
  return { bad, anew }
}

/** Numbers of the rows of a table that have no picture, and the shard of each. @throws ERR_IO */
async function rowsWithout(table: string, rows: number): Promise<{ row: number[]; shard: number[] }> {
  const found = { row: [] as number[], shard: [] as number[] }
  try {
    await using file = await open(table, 'r')
    const piece = new DataView(new ArrayBuffer(packRowBytes * 16_384))
    for (let first = 0; first < rows; ) {
      const { bytesRead } = await file.read(piece, 0, piece.byteLength, (first + 1) * packRowBytes)
      const count = Math.min(Math.floor(bytesRead / packRowBytes), rows - first)
      if (count === 0) break
      for (let i = 0; i < count; i += 1) {
        if (piece.getUint32(i * packRowBytes + 8, true) !== 0) continue
        found.row.push(first + i)
        found.shard.push(piece.getUint32(i * packRowBytes + 16, true))
      }
      first += count
    }
  } catch (error) {
    throw ioError(error, 'read', table)
  }
  return found
}
