import { describe, expect, it } from 'vitest'
import { Model } from '../../lib/engine/model.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { Tensor } from '../../lib/native/tensor.ts'
import { tinySpec } from '../helpers/tiny-model.ts'

describe.each(['gpu', 'CPU', 'mps', 'cuda:', 'cuda:-1', 'cpu:0', ''])('the device %j', (device) => {
  it('is refused by its name', async () => {
    const expected = { code: 'ERR_ARGUMENT', message: expect.stringContaining("Expected 'cpu', 'cuda' or 'cuda:N'") }
    await expect(Model.create(tinySpec({ device }))).rejects.toMatchObject(expected)
    expect(() => Tensor.from(new Float32Array(1), [1], { device })).toThrow(expect.objectContaining(expected))
  })

  it('does not end the process when it reaches the addon', async () => {
    // libtorch knows more names than these, and throws for others.
    const create = async (): Promise<unknown> => loadAddon().createModel(tinySpec({ device }))
    if (device === 'cpu:0') return
    await expect(create()).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_(TORCH|DEVICE)$/) })
    expect(() => loadAddon().tensorFrom({ dtype: 'float32', shape: [1], data: new Uint8Array(4) }, device)).toThrow(expect.objectContaining({ code: expect.stringMatching(/^ERR_(TORCH|DEVICE)$/) }))
  })
})

it('a GPU that is not there is named with the reason', async () => {
  const { available, devices } = await loadAddon().cudaAvailable()
  const absent = available ? `cuda:${devices.length}` : 'cuda'
  await expect(Model.create(tinySpec({ device: absent }))).rejects.toMatchObject({ code: 'ERR_DEVICE', message: expect.stringMatching(/^the device cuda\S* is not available: ./), hint: expect.stringContaining('doctor') })
})
