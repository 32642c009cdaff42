/** The allocator of big tensors (native/engine/host_allocator): blocks never overlap, and what nobody uses goes back to the system. */
import { expect, it } from 'vitest'
import type { NativeTensor } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { uniforms } from '../helpers/tiny-model.ts'

const addon = loadAddon()

function filled(bytes: number, value: number): NativeTensor {
  return addon.tensorFrom({ dtype: 'uint8', shape: [bytes], data: new Uint8Array(bytes).fill(value) }, 'cpu')
}

/** What dispose() queued is done when this comes back. */
const settled = (): Promise<unknown> => addon.rngState()

it('tensors of any size, made and freed in any order, keep their contents', async () => {
  const random = uniforms(7)
  const live: { tensor: NativeTensor; bytes: number; value: number }[] = []
  for (let turn = 0; turn < 300; turn++) {
    if (live.length > 0 && (live.length > 12 || random() < 0.45)) {
      const [gone] = live.splice(Math.floor(random() * live.length), 1)
      const bytes = await gone!.tensor.toBytes()
      expect(bytes.length).toBe(gone!.bytes)
      expect(bytes.every((byte) => byte === gone!.value), `turn ${turn}`).toBe(true)
      gone!.tensor.dispose()
    } else {
      // From below the smallest block that is ours to some megabytes, with odd lengths.
      const bytes = Math.floor(2 ** (18 + 5 * random())) + 1
      const value = turn % 251
      live.push({ tensor: filled(bytes, value), bytes, value })
    }
  }
  for (const { tensor, value } of live) {
    expect((await tensor.toBytes()).every((byte) => byte === value)).toBe(true)
    tensor.dispose()
  }
})

it('memory goes back to the system once no big tensor is left', async () => {
  const data = new Uint8Array(64 << 20).fill(1)
  const tensors = Array.from({ length: 6 }, () => addon.tensorFrom({ dtype: 'uint8', shape: [data.length], data }, 'cpu'))
  await settled()
  const used = process.memoryUsage.rss()
  for (const tensor of tensors) tensor.dispose()
  await settled()
  expect(used - process.memoryUsage.rss()).toBeGreaterThan(5 * data.length)
})
