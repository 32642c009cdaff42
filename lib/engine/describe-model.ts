/** Names of a configuration's parameters, without training anything. */
import type { Config } from '../config/index.ts'
import { buildModel } from './builders.ts'

/**
 * Builds the network with random weights, asks for its parameters and frees it.
 * @returns names of the parameters (no buffers), in the original's order
 * @throws ERR_CONFIG for a network that cannot be built, ERR_SETUP when the addon is missing
 */
export async function describeModelParameters(config: Config): Promise<string[]> {
  using model = await buildModel(config, { device: 'cpu', pretrained: false })
  return model.parameterNames()
}
