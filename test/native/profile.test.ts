/** libtorch's profiler around stages of ours. What it finds on a card is seen in bench/step-device. */
import { expect, it } from 'vitest'
import { loadAddon } from '../../lib/native/load.ts'

it('is taken once at a time, and is empty where no device worked', async () => {
  const addon = loadAddon()
  await expect(addon.stopProfile()).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringContaining('no profile') })
  for (let round = 0; round < 2; round++) {
    await addon.startProfile()
    expect(() => addon.startProfile()).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringContaining('being taken') }))
    expect(await addon.stopProfile()).toEqual([])
  }
})
