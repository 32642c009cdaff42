/** The device's memory as libtorch's allocator counts it, and as monitors show it. */
import { expect, it } from 'vitest'
import { deviceMemory, watchDeviceMemory } from '../../lib/engine/device-memory.ts'
import { formatPrintStr } from '../../lib/monitors/text-info.ts'
import type { EngineState } from '../../lib/monitors/monitor.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { Tensor } from '../../lib/native/tensor.ts'
import { describeOnGpu } from './helpers/cuda.ts'

const mebibyte = 2 ** 20

describeOnGpu('memory of a device', (device) => {
  const addon = loadAddon()
  const settled = () => addon.readScalars([]) // after what is queued

  it('counts what tensors take, and the most of it', async () => {
    const small = Tensor.from(new Uint8Array(mebibyte), [mebibyte], { device })
    await settled()
    await addon.resetPeakMemory()
    const before = deviceMemory(device)!
    const big = Tensor.from(new Uint8Array(64 * mebibyte), [64 * mebibyte], { device })
    await settled()
    const during = deviceMemory(device)!
    expect(during.allocatedBytes - before.allocatedBytes).toBe(64 * mebibyte)
    expect(during.reservedBytes).toBeGreaterThanOrEqual(during.allocatedBytes)
    big.dispose()
    await settled()
    const after = deviceMemory(device)!
    expect(after.allocatedBytes).toBe(before.allocatedBytes)
    expect(after.allocatedPeakBytes).toBe(during.allocatedBytes)
    await addon.releaseDeviceMemory()
    expect(deviceMemory(device)!.reservedBytes).toBeLessThan(during.reservedBytes)
    await addon.resetPeakMemory()
    expect(deviceMemory(device)!.allocatedPeakBytes).toBe(before.allocatedBytes)
    small.dispose()
  })

  it('is what TextInfo shows as max mem', async () => {
    const tensor = Tensor.from(new Uint8Array(mebibyte), [mebibyte], { device })
    await settled()
    const state: EngineState = { epoch: 0, max_epoch: 1, iteration: 0, max_iteration: 1, print_str: '' }
    watchDeviceMemory(state, 'cuda')
    const text = formatPrintStr(0, { schedule_info: {}, training_losses: {}, extras: {}, time_dict: {} }, state.max_memory_bytes!())
    expect(text).toContain(`max mem: ${(deviceMemory(device)!.allocatedPeakBytes / mebibyte).toFixed(1)}M`)
    expect(Object.keys(state.device_memory!())).toEqual(['allocated_bytes', 'allocated_peak_bytes', 'reserved_bytes', 'reserved_peak_bytes'])
    tensor.dispose()
  })
})
