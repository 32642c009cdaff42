/** What the addon and `siamtrain doctor` say about the card, and the device's names. */
import { expect, it } from 'vitest'
import type { DoctorReport } from '../../lib/cli/doctor.ts'
import { requireDevice } from '../../lib/native/device.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { runCli } from '../helpers/run-cli.ts'
import { describeOnGpu } from './helpers/cuda.ts'

describeOnGpu('the facts of a card', (device) => {
  it('are all there', async () => {
    const info = await loadAddon().cudaAvailable()
    expect(info).toMatchObject({ available: true, reason: '' })
    expect(info.driverCuda).toBeGreaterThanOrEqual(13000)
    expect(info.runtimeCuda).toBeGreaterThanOrEqual(12000)
    expect(info.cudnn).toBeGreaterThanOrEqual(90000)
    expect(info.driver).toMatch(/^\d+\.\d+/)
    const [card] = info.devices
    expect(card).toMatchObject({ name: expect.stringMatching(/\w/), computeCapability: expect.stringMatching(/^\d+\.\d$/) })
    expect(card!.totalBytes).toBeGreaterThan(2 ** 31)
    expect(card!.multiprocessors).toBeGreaterThan(0)
    expect(card!.freeBytes).toBeGreaterThan(0)
    expect(card!.freeBytes).toBeLessThanOrEqual(card!.totalBytes)
  })

  it('are shown by doctor', async () => {
    const { code, stdout } = await runCli(['doctor', '--json'])
    const report = JSON.parse(stdout) as DoctorReport
    expect([code, report.ok, report.problems]).toEqual([0, true, []])
    expect(report.cuda.devices[0]).toMatchObject({ name: (await loadAddon().cudaAvailable()).devices[0]!.name })
    expect((await runCli(['doctor'])).stdout).toMatch(/cuda {6}libtorch's is \d+\.\d; cuDNN 9\.\d+\.\d+; driver [\s\S]*\n {2}cuda:0 {2}\S/)
  })

  it('a device is known by its number, and one beyond the last is refused', async () => {
    await requireDevice('cuda')
    await requireDevice(device)
    const { devices } = await loadAddon().cudaAvailable()
    await expect(requireDevice(`cuda:${devices.length}`)).rejects.toMatchObject({ code: 'ERR_DEVICE', message: expect.stringContaining('counted from 0') })
    const tensor = loadAddon().tensorFrom({ dtype: 'float32', shape: [1], data: new Uint8Array(4) }, 'cuda')
    expect(tensor.device).toBe('cuda:0')
    tensor.dispose()
  })
})
