/** Which device and backend a rank gets. */
import { describe, expect, it } from 'vitest'
import { placeRank, type Gpus } from '../../lib/distributed/backend.ts'

const machine = (devices: number, nccl = 22809) => async (): Promise<Gpus> => ({ devices, reason: 'there is no driver', nccl })
const noGpuAsked = async (): Promise<Gpus> => {
  throw new Error('asked for GPUs')
}

describe('placeRank', () => {
  it('asks nobody about GPUs for the CPU', async () => {
    expect(await placeRank('cpu', undefined, { localRank: 3, localWorldSize: 4 }, noGpuAsked)).toEqual({ device: 'cpu', backend: 'gloo' })
    await expect(placeRank('cpu', 'nccl', { localRank: 0, localWorldSize: 1 }, noGpuAsked)).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringContaining('--backend nccl needs --device cuda') })
  })

  it.each([
    ['each its own, over NCCL', 1, 4, 4, 22809, { device: 'cuda:1', backend: 'nccl' }],
    ['over Gloo where the build has no NCCL', 1, 4, 4, 0, { device: 'cuda:1', backend: 'gloo' }],
    ['one rank of a pod', 0, undefined, 1, 22809, { device: 'cuda:0', backend: 'nccl' }],
  ] as const)('%s', async (_what, localRank, localWorldSize, devices, nccl, placed) => {
    expect(await placeRank('cuda', undefined, { localRank, localWorldSize }, machine(devices, nccl))).toEqual(placed)
  })

  it('more ranks than GPUs share them over Gloo when that is asked for, and are an error otherwise', async () => {
    const placed = await Promise.all([0, 1, 2].map((localRank) => placeRank('cuda', 'gloo', { localRank, localWorldSize: 3 }, machine(2))))
    expect(placed.map(({ device }) => device)).toEqual(['cuda:0', 'cuda:1', 'cuda:0'])
    for (const localRank of [0, 2]) {
      await expect(placeRank('cuda', undefined, { localRank, localWorldSize: 3 }, machine(2))).rejects.toMatchObject({ code: 'ERR_DEVICE', message: '3 processes on this machine need 3 GPUs, but there are 2' })
    }
    await expect(placeRank('cuda', 'nccl', { localRank: 1, localWorldSize: undefined }, machine(1))).rejects.toMatchObject({ code: 'ERR_DEVICE', message: '2 processes on this machine need 2 GPUs, but there is 1' })
  })

  it('one device for all is for Gloo', async () => {
    expect(await placeRank('cuda:1', undefined, { localRank: 0, localWorldSize: 2 }, machine(2))).toEqual({ device: 'cuda:1', backend: 'gloo' })
    expect(await placeRank('cuda:1', 'nccl', { localRank: 0, localWorldSize: 1 }, machine(2))).toEqual({ device: 'cuda:1', backend: 'nccl' })
    await expect(placeRank('cuda:1', 'nccl', { localRank: 0, localWorldSize: 2 }, machine(2))).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
  })

  it('a GPU that is not there is an error', async () => {
    await expect(placeRank('cuda', 'gloo', { localRank: 0, localWorldSize: 1 }, machine(0))).rejects.toMatchObject({ code: 'ERR_DEVICE', message: 'the device cuda is not available: there is no driver' })
  })
})
