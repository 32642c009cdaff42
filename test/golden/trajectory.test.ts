/**
 * Twenty iterations through the whole engine (RegularTrainer, Optimizer with its groups, schedule and DynamicFreezer) on the original's
 * batches and weights: losses of every iteration, then the final parameters and momentum, against what the original computed.
 */
import { describeTrajectory } from '../helpers/golden-trajectory.ts'

describeTrajectory({ device: 'cpu' })
