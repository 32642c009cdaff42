/** The tracker on the CPU against the original's runs: TinyConv in closed loop, AlexNet frame by frame. */
import { describeGoldenTracker } from '../helpers/golden-tracker.ts'

describeGoldenTracker({ device: 'cpu' })
