/** Waiting for rank 0, and a port for it. */
import { createServer } from 'node:net'
import { expect, it } from 'vitest'
import { freePort } from '../../lib/distributed/free-port.ts'
import { reachRank0 } from '../../lib/distributed/reach.ts'

const place = (port: number, address = '127.0.0.1'): Parameters<typeof reachRank0>[0] => ({ rank: 1, worldSize: 2, address, port })

it('returns once somebody listens, also where that is later', async () => {
  const port = await freePort()
  const reached = reachRank0(place(port), 100)
  const server = createServer()
  // After the first attempt has been refused.
  await new Promise((resolve) => setTimeout(resolve, 60))
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  expect(await reached).toBeGreaterThan(0)
  server.close()
})

it('says after its time-out what came of it', async () => {
  const port = await freePort()
  await expect(reachRank0(place(port), 0.05)).rejects.toMatchObject({ code: 'ERR_DISTRIBUTED', message: `rank 1 of 2 did not reach rank 0 at 127.0.0.1:${port} within 0.05 s: ECONNREFUSED` })
  await expect(reachRank0(place(port, 'no-such-host.invalid'), 0.05)).rejects.toMatchObject({ code: 'ERR_DISTRIBUTED', message: expect.stringMatching(/within 0\.05 s: (ENOTFOUND|EAI_AGAIN|no answer)$/) })
})

it('ends when it is told to', async () => {
  const controller = new AbortController()
  const waiting = reachRank0(place(await freePort()), 100, controller.signal)
  setTimeout(() => controller.abort(new Error('enough')), 20)
  await expect(waiting).rejects.toMatchObject({ code: 'ERR_ABORTED', message: 'rank 1 of 2 was stopped while it waited for rank 0' })
  await expect(reachRank0(place(1), 100, AbortSignal.abort())).rejects.toMatchObject({ code: 'ERR_ABORTED' })
})

it('finds ports that are free', async () => {
  const port = await freePort()
  expect(port).toBeGreaterThanOrEqual(20_000)
  expect(port).toBeLessThan(32_000)
})
