/** The original's trainer of several processes. */
import { requireTrain, type Config } from '../config/index.ts'
import { RegularTrainer } from './regular-trainer.ts'

/**
 * `train.track.trainer.name: DistributedRegularTrainer`. With a process group (option `group`) the ranks share the minibatch, average gradients
 * and begin with rank 0's weights; without one it is the RegularTrainer, as the original's is in one process. RegularTrainer takes the option, too.
 */
export class DistributedRegularTrainer extends RegularTrainer {}

/**
 * @param ranks  processes that there are
 * @returns what differs when a configuration asks for another number of processes, or undefined when it does not
 */
export function processesWarning(config: Config, ranks = 1): string | undefined {
  const { trainer, num_processes, data } = requireTrain(config)
  if (trainer.name !== 'DistributedRegularTrainer' || num_processes === 1 || num_processes === ranks) return undefined
  const share = Math.floor(data.minibatch / num_processes)
  const now = ranks === 1 ? `this run is one process, which takes the whole minibatch of ${data.minibatch}` : `this run has ${ranks}, each of which takes ${Math.floor(data.minibatch / ranks)} pairs of the minibatch of ${data.minibatch}`
  return `Warning: train.track.num_processes is ${num_processes}, but ${now}. BatchNorm statistics and losses are then those of ${Math.floor(data.minibatch / ranks)} pairs, not of ${share} in each process`
}

/** @returns what is lost of a minibatch that the ranks cannot share evenly, or undefined where they can */
export function unevenWarning(config: Config, ranks: number): string | undefined {
  const { minibatch } = requireTrain(config).data
  const share = Math.floor(minibatch / ranks)
  if (share * ranks === minibatch || share === 0) return undefined
  return `Warning: ${ranks} ranks cannot share a minibatch of ${minibatch} evenly: each takes ${share} pairs, together ${share * ranks}`
}
