/**
 * Frames that go bad while a loader runs, and what the loader must then count: a reference computation over the pairs that each sample draws.
 */
import { mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import type { LoaderSpec, NativeLoader, SkippedSample } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'

/** Each kind of damage to a frame's file, and what the reason of a skipped sample then says. */
export const frameFaults: Record<string, { damage: (file: string) => void; reason: RegExp }> = {
  deleted: { damage: (file) => rmSync(file), reason: /No such file/ },
  truncated: { damage: (file) => truncateSync(file, Math.floor(readFileSync(file).length / 2)), reason: /truncated or corrupt/ },
  emptied: { damage: (file) => truncateSync(file, 0), reason: /the file is empty/ },
  'replaced by garbage': { damage: (file) => writeFileSync(file, Uint8Array.from({ length: 5000 }, (_, i) => (i * 131 + 7) & 255)), reason: /Expected a .*starts with/ },
  // Root may read what nobody may, so unreadable is what no one can open.
  'made a folder': { damage: (file) => (rmSync(file), mkdirSync(file)), reason: /regular file/ },
  'made a link to itself': { damage: (file) => (rmSync(file), symlinkSync(file, file)), reason: /symbolic links/ },
}

/** A frame, as samplePairs names it. */
export interface FrameName {
  sequence: number
  frame: number
}

export type IsBad = (frame: FrameName) => boolean

/** Skipped samples without reasons: what a reference computation can know. */
export type ExpectedSkip = Pick<SkippedSample, 'epoch' | 'sample' | 'attempt'>

/**
 * What samples [from, to) of the stream skip when the frames that `isBad` names cannot be used: each attempt that draws one of them, until
 * one does not. Counted in samples since the start of the loader.
 */
export function expectedSkips(spec: LoaderSpec, from: number, to: number, isBad: IsBad): ExpectedSkip[] {
  const skips: ExpectedSkip[] = []
  for (let i = from; i < to; i += 1) {
    const index = spec.startSample + i
    const [epoch, sample] = [spec.startEpoch + Math.floor(index / spec.samplesPerEpoch), index % spec.samplesPerEpoch]
    for (let attempt = 0; ; attempt += 1) {
      const [pair] = loadAddon().samplePairs(spec, epoch, sample, attempt, 1)
      if (!([0, 1] as const).some((k) => isBad({ sequence: pair!.sequence[k], frame: pair!.frame[k] }))) break
      skips.push({ epoch, sample, attempt })
    }
  }
  return skips
}

/** Takes batches and frees them. */
export async function takeBatches(loader: NativeLoader, count: number): Promise<void> {
  for (let b = 0; b < count; b += 1) for (const tensor of Object.values((await loader.next()).tensors)) tensor.dispose()
}

export const placeOf = ({ epoch, sample, attempt }: ExpectedSkip): ExpectedSkip => ({ epoch, sample, attempt })

/** Waits until a condition holds, at most 20 s. */
export async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 20_000
  while (!condition()) {
    if (Date.now() > end) throw new Error('it did not happen within 20 s')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
