/** What data a snapshot was trained on, and what a run that goes on with other data is told. */
import { SiamError } from '../errors.ts'
import { readResumeTarget } from './output-folder.ts'
import { readSnapshot, type RunState, type SnapshotPack } from './snapshot.ts'

/**
 * In what a run differs from its snapshot whose configuration has another sum, for "made with …".
 * @param packs    of the run; undefined where its data does not say
 * @param sumWith  the sum of the run's configuration with other packs
 */
export function configurationChanges(run: Pick<RunState, 'configSha256' | 'packs'>, packs: readonly SnapshotPack[] | undefined, sumWith?: (packs: readonly SnapshotPack[]) => string): string[] {
  const data = run.packs === undefined || packs === undefined ? null : dataChange(run.packs, packs)
  if (data === null || run.packs === undefined) return ['another configuration']
  return sumWith?.(run.packs) === run.configSha256 ? [data] : [data, 'another configuration']
}

/** @returns null where both are the same */
function dataChange(before: readonly SnapshotPack[], now: readonly SnapshotPack[]): string | null {
  if (before.length > 0 && now.length === 0) return 'pictures of a pack (this run reads frames: --pack DIR?)'
  if (before.length === 0 && now.length > 0) return 'frames (this run reads a pack)'
  const changed = now.flatMap(({ dataset, crc, density }) => {
    const old = before.find((pack) => pack.dataset === dataset)
    if (old === undefined || old.crc === crc) return []
    return [`another pack of ${dataset}${old.density === density ? '' : ` (density ${shortened(old.density)}, now ${shortened(density)})`}`]
  })
  return changed.length === 0 ? null : changed.join(', ')
}

function shortened(value: number): string {
  return String(Number(value.toPrecision(4)))
}

/**
 * Adds to the error of a data root that is missing that the run which is to go on had a pack instead.
 * @param dir, target  as {@link readResumeTarget}
 */
export async function withPackHint(error: unknown, dir: string, target: string): Promise<unknown> {
  if (!(error instanceof SiamError) || error.code !== 'ERR_DATA' || !error.message.startsWith('data root not found')) return error
  const packs = await readResumeTarget(dir, target, () => {}).then((checkpoint) => readSnapshot(checkpoint).run?.packs ?? [], () => [])
  if (packs.length === 0) return error
  const { code, message, file, line } = error
  return new SiamError(code, message, { file, line, hint: 'the snapshot was trained from a pack: --pack DIR?', cause: error })
}
