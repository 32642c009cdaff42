/** NCCL as far as one GPU shows it: a group of one rank. Two ranks need two GPUs. */
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { ProcessGroup } from '../../lib/distributed/group.ts'
import type { TensorDict } from '../../lib/engine/losses.ts'
import { Optimizer } from '../../lib/engine/optimizer.ts'
import { RegularTrainer } from '../../lib/engine/regular-trainer.ts'
import { Monitor, type EngineData } from '../../lib/monitors/monitor.ts'
import { loadAddon, packageRoot } from '../../lib/native/load.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { freePort } from '../helpers/ranks.ts'
import { tinyBatch, tinyModel } from '../helpers/tiny-model.ts'
import { describeOnGpu, sameInEveryRun } from './helpers/cuda.ts'

const { nccl } = await loadAddon().cudaExtension()

describeOnGpu('NCCL with one rank', (device) => {
  // Steps that differ from run to run in TF32's ten bits grow apart further than the reducer could be to blame for.
  beforeAll(sameInEveryRun)

  it('is in this build, of libtorch\'s version', () => {
    expect(nccl, 'build with nccl.h: pip\'s nvidia-nccl-cu13 has it, SIAMFCPP_CUDA_INCLUDE says where').toBeGreaterThanOrEqual(22800)
    expect(nccl).toBeLessThan(22900)
  })

  describe.skipIf(nccl === 0)('built in', () => {
    const meet = async (): Promise<ProcessGroup> => ProcessGroup.create({ rank: 0, worldSize: 1, masterAddr: '127.0.0.1', masterPort: await freePort(), device, backend: 'nccl', timeoutSeconds: 20 })

    class Losses extends Monitor {
      readonly seen: number[][] = []
      override update({ training_losses }: EngineData): void {
        this.seen.push(Object.values(training_losses))
      }
    }

    async function train(group: ProcessGroup | undefined): Promise<number[][]> {
      async function* batches(): AsyncGenerator<TensorDict> {
        for (let i = 0; ; i++) yield tinyBatch(i, 4)
      }
      const folder = temporaryFolder('nccl')
      const model = await tinyModel({ device })
      const optimizer = new Optimizer(model, { lr: 0.005 })
      const losses = new Losses()
      const trainer = new RegularTrainer(optimizer, batches(), [losses], { group, log: () => {}, progress: 'none' })
      try {
        trainer.setHyperParams({ exp_save: folder, minibatch: 4, nr_image_per_epoch: 4 * 8, max_epoch: 1 })
        await trainer.train()
      } finally {
        await trainer.close()
        optimizer.dispose()
        model.dispose()
        removeFolder(folder)
      }
      return losses.seen
    }

    it('trains through the reducer as without a group', async () => {
      const alone = await train(undefined)
      const group = await meet()
      expect(group.backend).toBe('nccl')
      const reduced = await train(group)
      await group.close()
      expect(reduced).toHaveLength(8)
      // A mean over one rank changes nothing; cuDNN may add in another order from run to run.
      for (const [i, expected] of alone.entries()) for (const [k, value] of expected.entries()) expect(Math.abs(reduced[i]![k]! - value), `iteration ${i}`).toBeLessThanOrEqual(1e-3 * Math.max(Math.abs(value), 0.05))
    })

    it('copies a model that lies on the GPU', async () => {
      const group = await meet()
      const model = await tinyModel({ device })
      const before = await model.stateDict()
      await group.broadcastModel(model)
      expect((await model.stateDict()).map(({ name, data }) => [name, Buffer.from(data).equals(Buffer.from(before.find((entry) => entry.name === name)!.data))])).toEqual(before.map(({ name }) => [name, true]))
      await group.close()
      model.dispose()
    })

    it.each(['closed', 'left open'])('lets the process end with a group that was %s', async (how) => {
      const url = (file: string): string => JSON.stringify(`file://${path.join(packageRoot(), file)}`)
      const script = `const { ProcessGroup } = await import(${url('lib/distributed/group.ts')})
        const group = await ProcessGroup.create({ rank: 0, worldSize: 1, masterAddr: '127.0.0.1', masterPort: ${await freePort()}, device: '${device}', backend: 'nccl', timeoutSeconds: 20 })
        console.log(...(await group.average([3])))
        ${how === 'closed' ? 'await group.close()' : ''}`
      const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { timeout: 90_000 })
      expect(stdout).toBe('3\n')
    })
  })
})
