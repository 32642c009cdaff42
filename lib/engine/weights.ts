/** Weights alone in a file, for whoever trains without a trainer. */
import path from 'node:path'
import { writeFileAtomically } from '../checkpoint/atomic-file.ts'
import { CheckpointTensor, PyDict, writeSafetensors } from '../checkpoint/index.ts'
import { ioError } from '../checkpoint/io-error.ts'
import { makeFolder } from '../make-folder.ts'
import type { TrainableModel } from './trainer-types.ts'
import { writeSnapshotFile } from './snapshot-file.ts'
import { composeWeights } from './snapshot.ts'

/**
 * Writes a model's parameters and buffers: as safetensors where the name ends in `.safetensors`, else as torch.save's
 * `{ model_state_dict }`, which the original's code loads too. The file is there whole or not at all; its folder is made if need be.
 * @throws ERR_IO when it cannot be written
 */
export async function saveWeights(model: Pick<TrainableModel, 'stateDict'>, file: string): Promise<void> {
  const table = await model.stateDict()
  const folder = path.dirname(file)
  try {
    makeFolder(folder)
  } catch (error) {
    throw ioError(error, 'write', folder)
  }
  if (path.extname(file) === '.safetensors') {
    const tensors = PyDict.ordered(table.map((entry) => [entry.name, CheckpointTensor.fromRaw(entry)]))
    await writeFileAtomically(file, (sink) => writeSafetensors(tensors, sink))
  } else await writeSnapshotFile(file, composeWeights(table))
}
