/** A port for the ranks of one machine. */
import { createServer } from 'node:net'
import { SiamError } from '../errors.ts'

/** Between those of services and those that systems give to outgoing connections, which may come at any moment. */
const range = { first: 20_000, count: 12_000 } as const
const attempts = 100

/**
 * @returns a port that nobody listened at a moment ago
 * @throws ERR_DISTRIBUTED when a hundred of them were taken
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = range.first + Math.floor(Math.random() * range.count)
    if (await isFree(port)) return port
  }
  throw new SiamError('ERR_DISTRIBUTED', `no free port was found among ${range.first} to ${range.first + range.count - 1}`, { hint: 'RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT start the processes without --nproc' })
}

/** On all addresses, as the ranks' store listens. */
function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}
