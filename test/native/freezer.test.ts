/** DynamicFreezer on a network that trains: what stands still, what goes on, at an epoch's start and after a resume. */
import { afterAll, describe, expect, it } from 'vitest'
import type { FreezeStep } from '../../lib/config/index.ts'
import { DynamicFreezer } from '../../lib/engine/grad-modifier.ts'
import type { TensorDict } from '../../lib/engine/losses.ts'
import type { Model } from '../../lib/engine/model.ts'
import { Optimizer } from '../../lib/engine/optimizer.ts'
import { RegularTrainer } from '../../lib/engine/regular-trainer.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { tinyBatch, tinyModel } from '../helpers/tiny-model.ts'

const root = temporaryFolder('freezer')
afterAll(() => removeFolder(root))

/** conv1 thaws at epoch 2 (so it is frozen before), conv2b freezes at epoch 1; both expressions as the original's files write them. */
const schedule: FreezeStep[] = [
  { name: 'isConv1', regex: 'basemodel\\.conv1\\.conv.*', epoch: 2, freezed: false },
  { name: 'isConv2b', regex: 'basemodel\\.conv2b\\.conv.*', epoch: 1, freezed: true },
]

async function makeTrainer(name: string): Promise<{ trainer: RegularTrainer; model: Model; optimizer: Optimizer }> {
  const model = await tinyModel()
  const optimizer = new Optimizer(model, { lr: 0.01, weightDecay: 0.1, gradModifier: new DynamicFreezer(model, { schedule }) })
  const data: AsyncIterable<TensorDict> = {
    async *[Symbol.asyncIterator]() {
      for (let i = 1; ; i++) yield tinyBatch(i)
    },
  }
  const trainer = new RegularTrainer(optimizer, data, [], { progress: 'none', log: () => {}, threads: 1 })
  trainer.setHyperParams({ exp_save: root, exp_name: name, max_epoch: 4, minibatch: 2, nr_image_per_epoch: 4 })
  trainer.own([model, optimizer])
  return { trainer, model, optimizer }
}

type Table = Map<string, Uint8Array>
const tableOf = async (model: Model): Promise<Table> => new Map((await model.stateDict()).map(({ name, data }) => [name, data]))
/** Names below basemodel.conv1 and .conv2b whose bytes changed. */
const moved = (before: Table, after: Table): string[] => [...before.keys()].filter((name) => /^basemodel\.conv(1|2b)\./.test(name) && Buffer.compare(before.get(name)!, after.get(name)!) !== 0)
const entriesOf = (table: Table, layer: string): string[] => [...table.keys()].filter((name) => name.startsWith(`basemodel.${layer}.`))

describe('DynamicFreezer', () => {
  it('stops convolutions, weight decay and momentum included, and nothing else: BatchNorm trains on and its statistics follow', async () => {
    const { trainer, model, optimizer } = await makeTrainer('epochs')
    const trainable = (): string[] => model.describe().filter(({ kind, requiresGrad }) => kind === 'parameter' && !requiresGrad).map(({ name }) => name)
    const convolution = (layer: string): string[] => model.parameterNames().filter((name) => name.startsWith(`basemodel.${layer}.conv.`))
    const momentum = async (): Promise<Map<string, Uint8Array>> => new Map((await optimizer.native.momentumBuffers()).map(({ name, data }) => [name, data]))
    expect(convolution('conv1').length).toBeGreaterThan(0)

    let before = await tableOf(model)
    await trainer.train() // epoch 0: conv1 frozen
    let after = await tableOf(model)
    expect(trainable()).toEqual(convolution('conv1'))
    expect(moved(before, after)).toEqual([...entriesOf(before, 'conv1').filter((name) => name.includes('.bn.')), ...entriesOf(before, 'conv2b')])
    expect(entriesOf(before, 'conv1').filter((name) => name.includes('.bn.')).map((name) => name.replace(/.*\.bn\./, ''))).toEqual(['weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked'])
    for (const name of convolution('conv1')) expect((await momentum()).has(name), name).toBe(false)
    const kept = await momentum()

    before = after
    await trainer.train() // epoch 1: conv1 and conv2b frozen
    after = await tableOf(model)
    expect(trainable()).toEqual([...convolution('conv1'), ...convolution('conv2b')])
    expect(moved(before, after).every((name) => name.includes('.bn.'))).toBe(true)
    expect(moved(before, after)).toHaveLength(10)
    // A momentum that is there stays as it was, ready for a later thaw.
    for (const name of convolution('conv2b')) expect(Buffer.compare((await momentum()).get(name)!, kept.get(name)!), name).toBe(0)

    before = after
    await trainer.train() // epoch 2: conv1 thaws
    after = await tableOf(model)
    expect(trainable()).toEqual(convolution('conv2b'))
    expect(moved(before, after)).toEqual([...entriesOf(before, 'conv1'), ...entriesOf(before, 'conv2b').filter((name) => name.includes('.bn.'))])
    for (const name of convolution('conv1')) expect((await momentum()).has(name), name).toBe(true)
    await trainer.close()
  })

  it('follows from the epoch alone: a resumed run freezes what the epoch says before its first iteration', async () => {
    const first = await makeTrainer('resume')
    await first.trainer.train()
    await first.trainer.train({ maxIterations: 1 }) // epoch 1, iteration 1
    const file = await first.trainer.saveSnapshot()
    const frozen = (model: Model): string[] => model.describe().filter(({ kind, requiresGrad }) => kind === 'parameter' && !requiresGrad).map(({ name }) => name)
    const expected = frozen(first.model)
    await first.trainer.close()

    const second = await makeTrainer('resume')
    expect(frozen(second.model)).toEqual([])
    await second.trainer.resume(file)
    const before = await tableOf(second.model)
    await second.trainer.train({ maxIterations: 1 })
    expect(frozen(second.model)).toEqual(expected)
    expect(moved(before, await tableOf(second.model)).every((name) => name.includes('.bn.'))).toBe(true)
    await second.trainer.close()
  })
})
