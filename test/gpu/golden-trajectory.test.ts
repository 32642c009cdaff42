/**
 * Twenty iterations of AlexNet through the whole engine on CUDA: float32 against the original's numbers, and in half precision within a band
 * around them.
 */
import { beforeAll, describe, expect, it } from 'vitest'
import { describeTrajectory, follow, goldenTrajectory, type Outcome } from '../helpers/golden-trajectory.ts'
import { describeOnGpu, exactFloat32, gpuSlack } from './helpers/cuda.ts'

describeOnGpu('the golden trajectory', (device) => {
  beforeAll(exactFloat32)

  describe('float32', () => {
    describeTrajectory({ device, slack: gpuSlack })
  })

  // bfloat16 on a CPU deviates by 6e-4 at the first iteration and by 4e-2 later on, in the sum of the losses; float16 has three bits more.
  describe.each([
    ['bf16', { first: 1e-2, later: 0.1 }],
    ['fp16', { first: 2e-3, later: 0.05 }],
  ] as const)('%s', (precision, band) => {
    const name = 'lr_x0.02_1_iter_per_epoch'
    let outcome: Outcome
    beforeAll(async () => {
      outcome = await follow(goldenTrajectory().runs[name]!, {
        device,
        overrides: [`train.track.model.precision=${precision}`],
        // A scaler that begins at 65536 may skip the first steps, and be that many iterations behind from then on.
        prepare: async ({ optimizer }) => optimizer.gradScaler?.loadStateDict({ ...(await optimizer.gradScaler.stateDict()), scale: 1024 }),
      })
    })

    it('scales its gradients where float16 needs it', () => {
      if (precision === 'fp16') expect(outcome.scale).toBe(1024)
      else expect(outcome.scale).toBeNull()
    })

    it('stays finite, in losses, weights and momentum', () => {
      expect(outcome.rows).toHaveLength(20)
      for (const { cls, ctr, reg, iou } of outcome.rows) expect([cls, ctr, reg, iou].every(Number.isFinite)).toBe(true)
      for (const { name: entry, dtype, data } of [...outcome.state, ...outcome.momentum]) {
        if (dtype !== 'float32') continue
        expect(new Float32Array(new Uint8Array(data).buffer).every(Number.isFinite), entry).toBe(true)
      }
    })

    it('begins where float32 begins, and stays in a band around it', () => {
      const total = ({ cls, ctr, reg }: { cls: number; ctr: number; reg: number }): number => cls + ctr + reg
      const deviations = goldenTrajectory().runs[name]!.rows.map((row, i) => Math.abs(total(outcome.rows[i]!) / total(row) - 1))
      process.stdout.write(`${precision}: total losses deviate from float32's by ${deviations.map((deviation) => deviation.toFixed(4)).join(' ')}\n`)
      expect(deviations[0]).toBeLessThan(band.first)
      expect(Math.max(...deviations)).toBeLessThan(band.later)
      // Not float32 under another name.
      expect(deviations[0]).toBeGreaterThan(1e-6)
    })
  })
})
