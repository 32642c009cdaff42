/** A snapshot for all ranks of a distributed run, and for runs of another number of ranks than it was made with. */
import { readFile } from 'node:fs/promises'
import { parseCheckpoint, type Checkpoint } from '../checkpoint/index.ts'
import type { ProcessGroup } from '../distributed/group.ts'
import type { RunState } from './snapshot.ts'
import type { DataPosition, TrainingBatches } from './trainer-types.ts'

/**
 * Rank 0 decides which file it is, and reads it; the others get its bytes. So nobody resumes from another file, and only rank 0's machine need
 * have the output folder.
 * @throws what `read` throws, on rank 0; ERR_DISTRIBUTED on the others then
 */
export async function readOnRank0(group: ProcessGroup | undefined, read: () => Promise<Checkpoint>): Promise<Checkpoint> {
  if (group === undefined || group.worldSize === 1) return read()
  let own: Checkpoint | undefined
  const name = await group.share(async () => {
    own = await read()
    return Buffer.from(own.file)
  })
  const file = Buffer.from(name).toString()
  const bytes = await group.share(() => readFile(file))
  return own ?? parseCheckpoint(bytes, file)
}

/**
 * Where the data goes on. A snapshot's sampler position is that of all ranks together, and holds for any number of them; only where their
 * shares do not make up the whole minibatch (30 over 4 ranks: 4 × 7) are samples counted otherwise, and the iteration says where they are.
 */
export function placeOf(run: RunState, dataloader: TrainingBatches, batchesPerIteration: number): DataPosition {
  const saved = run.sampler ?? { epoch: run.epoch + 1, sample: 0 }
  const { samplesPerBatch } = dataloader
  if (samplesPerBatch === undefined || saved.epoch !== run.epoch + 1) return saved
  return { epoch: saved.epoch, sample: run.iteration * batchesPerIteration * samplesPerBatch }
}
