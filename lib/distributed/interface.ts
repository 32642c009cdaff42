/** Which network interface the ranks' connections of Gloo take: GLOO_SOCKET_IFNAME, as for torch's Python. NCCL reads NCCL_SOCKET_IFNAME itself. */
import os from 'node:os'
import { SiamError } from '../errors.ts'
import type { Environment } from './environment.ts'

type Interfaces = ReturnType<typeof os.networkInterfaces>

/**
 * @returns the interface's address, IPv4 where it has one; undefined where the variable is not set, and Gloo takes the host name's address
 * @throws ERR_CONFIG when there is no such interface, or it has no address; names those that there are
 */
export function interfaceAddress(env: Environment, interfaces: Interfaces = os.networkInterfaces()): string | undefined {
  const name = env.GLOO_SOCKET_IFNAME?.trim() ?? ''
  if (name === '') return undefined
  const addresses = interfaces[name]
  if (addresses === undefined || addresses.length === 0) {
    throw new SiamError('ERR_CONFIG', `Expected a network interface that has an address for the environment variable GLOO_SOCKET_IFNAME but received ${JSON.stringify(name)}`, { hint: `this machine has ${Object.keys(interfaces).join(', ')}` })
  }
  return (addresses.find(({ family }) => family === 'IPv4') ?? addresses[0])?.address
}
