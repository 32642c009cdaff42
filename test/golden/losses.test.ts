/** The four losses against the original's values and gradients, on the CPU. */
import { describeLosses } from '../helpers/golden-losses.ts'

describeLosses({ device: 'cpu' })
