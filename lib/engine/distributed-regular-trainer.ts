/** The original's trainer of several processes; this version runs it in one. */
import { requireTrain, type Config } from '../config/index.ts'
import { RegularTrainer } from './regular-trainer.ts'

/**
 * `train.track.trainer.name: DistributedRegularTrainer`. In one process it is the RegularTrainer, as the original's is: its processes share
 * the minibatch, so that one process takes it whole.
 */
export class DistributedRegularTrainer extends RegularTrainer {}

/** @returns what differs when a configuration asks for more processes than the one that there is, or undefined when it does not */
export function oneProcessWarning(config: Config): string | undefined {
  const { trainer, num_processes, data } = requireTrain(config)
  if (trainer.name !== 'DistributedRegularTrainer' || num_processes === 1) return undefined
  const share = Math.floor(data.minibatch / num_processes)
  return `Warning: train.track.num_processes is ${num_processes}, but this version trains in one process, which takes the whole minibatch of ${data.minibatch}. BatchNorm statistics and losses are then those of ${data.minibatch} pairs, not of ${share} in each process`
}
