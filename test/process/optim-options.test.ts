/** Clipping, accumulation and averaging from the command line: what is printed, what resumes, and tracking with the average. */
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readCheckpoint, type PyDict } from '../../lib/checkpoint/index.ts'
import { removeFolder } from '../helpers/make-dataset.ts'
import { makeExperiment, outputFiles, outputFolder, runSiamtrain, trainArgs, type Experiment, type Finished } from '../helpers/train-process.ts'

let experiment: Experiment
let whole: Finished
const options = ['optimizer.SGD.clip_grad_norm=2', 'optimizer.SGD.clip_grad_value=0.5', 'optimizer.SGD.accumulate_batches=2', 'ema.decay=0.9'].map((option) => `train.track.optim.${option}`)

function args(name: string, ...more: string[]): string[] {
  const all = trainArgs(experiment, name, ...more)
  all.splice(all.indexOf('--json'), 0, ...options)
  return all
}

beforeAll(async () => {
  experiment = makeExperiment('optim-options', { epochs: 2, iterations: 7 })
  whole = await runSiamtrain(args('whole'))
})
afterAll(() => removeFolder(experiment.dir))

const computed = (run: Finished): unknown[] => run.lines.filter((line) => 'iteration' in line).map(({ time: _time, ...line }) => line)

it('an iteration is a step of two batches, and its line tells the norm', () => {
  expect(whole.code, whole.stderr).toBe(0)
  // 7 batches an epoch make 3 iterations.
  expect(whole.lines.filter((line) => 'iteration' in line).map(({ epoch, iteration }) => [epoch, iteration])).toEqual([[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]])
  expect((whole.lines[0] as { extras: unknown }).extras).toEqual({ cls: {}, ctr: {}, reg: { iou: expect.any(Number) }, optim: { grad_norm: expect.any(Number) } })
  expect(whole.lines.at(-1)).toMatchObject({ done: true, completed: true, iterations: 6 })
})

it('a run that is stopped in the middle of an epoch and resumed ends bit-identical, with another number of workers', async () => {
  const first = await runSiamtrain(args('steps', '--max-iterations', '2'))
  expect(first.code, first.stderr).toBe(0)
  expect(outputFiles(experiment, 'steps')).toEqual(['epoch-0-iter-2.pkl'])
  const second = await runSiamtrain(args('steps', '--resume', 'latest', '--workers', '2'))
  expect(second.code, second.stderr).toBe(0)
  expect(second.lines.at(-1)?.state_sha256).toBe(whole.lines.at(-1)?.state_sha256)
  expect([...computed(first), ...computed(second)]).toEqual(computed(whole))
})

it('a mid-epoch snapshot of another accumulation is refused', async () => {
  const refused = await runSiamtrain([...args('steps', '--resume', path.join(outputFolder(experiment, 'steps'), 'epoch-0-iter-2.pkl')), 'train.track.optim.optimizer.SGD.accumulate_batches=1'])
  expect(refused.code).toBe(1)
  expect(refused.stderr).toMatch(/ERR_CHECKPOINT .*iteration 2 of 3, but an epoch now has 7 iterations/)
})

it('track --ema uses the average, and refuses a file that has none', async () => {
  const snapshot = path.join(outputFolder(experiment, 'whole'), 'epoch-1.pkl')
  const final = path.join(outputFolder(experiment, 'whole'), 'final_model.pkl')
  const root = (await readCheckpoint(snapshot)).root as PyDict
  const finalWeights = ((await readCheckpoint(final)).root as PyDict).get('model_state_dict') as PyDict
  const bytes = (dict: PyDict): Buffer => Buffer.concat(Array.from(dict, ([, tensor]) => (tensor as { contiguousBytes(): Uint8Array }).contiguousBytes()))
  expect(bytes(finalWeights).equals(bytes(root.get('ema_state_dict') as PyDict))).toBe(true)
  expect(bytes(finalWeights).equals(bytes(root.get('model_state_dict') as PyDict))).toBe(false)

  const model = `{backbone: {name: TinyConv}, task_head: {name: DenseboxHead, DenseboxHead: {head_width: 64}}, task_model: {name: SiamTrack, SiamTrack: {head_width: 64}}}`
  const track = (weights: string, ...more: string[]): Promise<Finished> =>
    runSiamtrain(['track', path.join(experiment.dir, 'data', 'train', 'seq_001'), '--config', experiment.config, '--set', `test.track.model=${model}`, '--set', 'test.track.pipeline={name: SiamFCppTracker}', '--init', '20,20,30,30', '--threads', '1', '--json', '--quiet', '--weights', weights, ...more])
  const boxes = (run: Finished): unknown[] => run.lines.map(({ frame, box, score }) => [frame, box, score])
  const [plain, average, finalModel, refused] = [await track(snapshot), await track(snapshot, '--ema'), await track(final), await track(final, '--ema')]
  expect(average.code, average.stderr).toBe(0)
  expect(boxes(average).length).toBeGreaterThan(2)
  expect(boxes(average)).toEqual(boxes(finalModel))
  expect(boxes(average)).not.toEqual(boxes(plain))
  expect(refused.code).toBe(1)
  expect(refused.stderr).toMatch(/ERR_CHECKPOINT .*there are no averaged weights \(ema_state_dict\) in this file/)
})
