/** What a run would find in its output folder, and where it would begin; nothing is made or written. */
import { accessSync, constants, statSync } from 'node:fs'
import path from 'node:path'
import { SiamError } from '../errors.ts'
import { checkResumeTarget, checkUnused, readResumeTarget } from './output-folder.ts'
import { listSnapshots } from './snapshot-file.ts'
import { readSnapshot } from './snapshot.ts'

export interface OutputPlan {
  folder: string
  /** Snapshots that lie there, the least trained first. */
  snapshots: string[]
  start: 'new' | 'resume' | 'finished'
  /** What would be resumed. */
  snapshot: string | null
  /** The place that training would begin at, 0-based. */
  epoch: number
  iteration: number
}

type Attempt = <T>(part: string, work: () => T | Promise<T>) => Promise<T | null>

/**
 * @param params  the trainer's hyper-parameters
 * @param attempt runs a check; what it throws becomes a problem
 */
export async function planOutput(params: { exp_save: string; exp_name: string; snapshot: string; max_epoch: number }, options: { resume?: string; overwrite?: boolean }, attempt: Attempt): Promise<OutputPlan> {
  const folder = path.join(params.exp_save, params.exp_name)
  const plan: OutputPlan = { folder, snapshots: [], start: 'new', snapshot: null, epoch: 0, iteration: 0 }
  plan.snapshots = ((await attempt('output', () => listSnapshots(folder))) ?? []).map((snapshot) => path.basename(snapshot.path))
  await attempt('output', () => checkCouldWrite(folder))
  const resume = options.resume ?? (params.snapshot === '' ? undefined : params.snapshot)
  const goesOn = options.resume !== undefined || (resume !== undefined && path.resolve(path.dirname(resume)) === path.resolve(folder))
  if (!goesOn && options.overwrite !== true) await attempt('output', () => checkUnused(folder))
  if (resume === undefined) return plan
  plan.start = 'resume'
  await attempt('output', async () => {
    await checkResumeTarget(folder, resume)
    const checkpoint = await readResumeTarget(folder, resume, () => {})
    const { epoch, run } = readSnapshot(checkpoint)
    plan.snapshot = checkpoint.file
    plan.epoch = (run?.epoch ?? epoch) + 1
    plan.iteration = run?.iteration ?? 0
    if (plan.epoch >= params.max_epoch) plan.start = 'finished'
  })
  return plan
}

/** Asks the nearest folder that exists; a run makes the others. @throws ERR_IO */
function checkCouldWrite(dir: string): void {
  let at = path.resolve(dir)
  for (;;) {
    try {
      if (!statSync(at).isDirectory()) throw new SiamError('ERR_IO', 'the output folder cannot be made: this is a file', { file: at, hint: 'choose another exp_save' })
      accessSync(at, constants.W_OK | constants.X_OK)
      return
    } catch (cause) {
      if (cause instanceof SiamError) throw cause
      const code = (cause as NodeJS.ErrnoException).code
      if (code === 'ENOENT' && path.dirname(at) !== at) at = path.dirname(at)
      else throw new SiamError('ERR_IO', `the output folder cannot be written: ${(cause as Error).message}`, { file: dir, cause, hint: 'choose another exp_save, or mend its permissions' })
    }
  }
}
