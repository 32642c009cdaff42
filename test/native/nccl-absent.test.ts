/** NCCL where it cannot be: said before the other ranks are waited for. */
import { expect, it } from 'vitest'
import { ProcessGroup } from '../../lib/distributed/group.ts'
import { loadAddon } from '../../lib/native/load.ts'

const { available } = await loadAddon().cudaAvailable()

it.skipIf(available)('is refused without CUDA, with the reason', async () => {
  const { reason } = await loadAddon().cudaAvailable()
  const start = ProcessGroup.create({ rank: 1, worldSize: 2, masterAddr: '127.0.0.1', masterPort: 1, device: 'cuda:0', backend: 'nccl' })
  await expect(start).rejects.toMatchObject({ code: 'ERR_DEVICE', message: `Expected a CUDA device for NCCL: ${reason}` })
})
