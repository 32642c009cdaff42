/** A device's memory as monitors and the dry run show it, from given numbers. */
import { describe, expect, it } from 'vitest'
import { memoryScalars, roomWarning, watchDeviceMemory } from '../../lib/engine/device-memory.ts'
import type { EngineState } from '../../lib/monitors/monitor.ts'

const state = (): EngineState => ({ epoch: 0, max_epoch: 1, iteration: 0, max_iteration: 1, print_str: '' })

it('curves', () => {
  expect(memoryScalars(null)).toEqual({})
  const memory = { device: 'cuda:0', allocatedBytes: 1, allocatedPeakBytes: 2, reservedBytes: 3, reservedPeakBytes: 4, retries: 0 }
  expect(memoryScalars(memory)).toEqual({ allocated_bytes: 1, allocated_peak_bytes: 2, reserved_bytes: 3, reserved_peak_bytes: 4 })
})

describe('what monitors see', () => {
  it("on the CPU is the process's memory, also after a device", () => {
    const engine = state()
    watchDeviceMemory(engine, 'cuda')
    expect([typeof engine.max_memory_bytes, typeof engine.device_memory]).toEqual(['function', 'function'])
    watchDeviceMemory(engine, 'cpu')
    expect(engine).toEqual(state())
  })
})

describe('room for a step', () => {
  const need = { parameters_bytes: 2 ** 26, buffers_bytes: 0, momentum_bytes: 2 ** 26, gradients_bytes: 2 ** 26, activations_bytes: 9 * 2 ** 30, minibatch: 128 }
  const card = { name: 'Card', total_bytes: 16 * 2 ** 30 }

  it('enough', () => {
    expect(roomWarning('cuda', { ...card, free_bytes: 15 * 2 ** 30 }, need)).toBeUndefined()
    expect(roomWarning('cuda', { ...card, free_bytes: null }, need)).toBeUndefined()
  })

  it('not enough', () => {
    expect(roomWarning('cuda:1', { ...card, free_bytes: 8 * 2 ** 30 }, need)).toBe(
      'a minibatch of 128 may not fit: about 10.2 GiB are needed on cuda:1 (Card), which has 8.0 GiB free of 16.0 GiB; take a smaller minibatch with accumulate_batches, or amp',
    )
  })
})
