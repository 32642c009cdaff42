/** Runs that are stopped, killed and resumed end bit-identical to one that was never stopped. */
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { removeFolder } from '../helpers/make-dataset.ts'
import { uniforms } from '../helpers/tiny-model.ts'
import { makeExperiment, outputFiles, outputFolder, runSiamtrain, startSiamtrain, trainArgs, type Experiment, type Finished, type Running } from '../helpers/train-process.ts'

const epochs = 3
const iterations = 12
let experiment: Experiment
let whole: Finished
let expected: string

beforeAll(async () => {
  experiment = makeExperiment('resume', { epochs, iterations })
  whole = await runSiamtrain(trainArgs(experiment, 'whole'))
  expected = last(whole).state_sha256 as string
})
afterAll(() => removeFolder(experiment.dir))

function last(run: Finished): Record<string, unknown> {
  return run.lines.at(-1) ?? {}
}

function expectFinishedEqual(run: Finished): void {
  expect(run.code, run.stderr).toBe(0)
  expect(last(run)).toMatchObject({ done: true, completed: true })
  expect(last(run).state_sha256).toBe(expected)
}

/** What an iteration computed, without how long it took. */
function computed(run: Finished): Record<string, unknown>[] {
  return run.lines.filter((line) => 'iteration' in line).map(({ time: _time, ...line }) => line)
}

describe('a run that is never stopped', () => {
  it('prints each iteration and leaves a snapshot of each epoch and the final model', () => {
    expect(whole.code, whole.stderr).toBe(0)
    expect(computed(whole).map(({ epoch, iteration }) => [epoch, iteration])).toEqual(Array.from({ length: epochs * iterations }, (_, i) => [Math.floor(i / iterations), i % iterations]))
    expect(whole.lines[0]).toEqual({
      epoch: 0,
      iteration: 0,
      lr: expect.any(Number),
      losses: { cls: expect.any(Number), ctr: expect.any(Number), reg: expect.any(Number) },
      extras: { cls: {}, ctr: {}, reg: { iou: expect.any(Number) } },
      time: { data: expect.any(Number), fwd: expect.any(Number), bwd: expect.any(Number), optim: expect.any(Number) },
    })
    expect(last(whole)).toMatchObject({ done: true, completed: true, skipped: 0, state_sha256: expect.stringMatching(/^[0-9a-f]{64}$/) })
    expect(outputFiles(experiment, 'whole')).toEqual(['epoch-0.pkl', 'epoch-1.pkl', 'epoch-2.pkl', 'final_model.pkl'])
  })

  it('is the same again, with another number of data threads', async () => {
    const again = await runSiamtrain(trainArgs(experiment, 'again', '--workers', '3'))
    expectFinishedEqual(again)
    expect(computed(again)).toEqual(computed(whole))
  })

  it('is another one with another seed', async () => {
    const other = await runSiamtrain(trainArgs(experiment, 'other-seed', '--seed', '5', '--max-iterations', '2'))
    expect(other.code, other.stderr).toBe(0)
    expect(last(other)).toMatchObject({ done: true, completed: false, iterations: 2 })
    expect(computed(other)[0]).not.toEqual(computed(whole)[0])
  })
})

describe('a resumed run', () => {
  it('goes on in the middle of an epoch, again and again, with equal losses', async () => {
    const first = await runSiamtrain(trainArgs(experiment, 'steps', '--max-iterations', '3'))
    expect(outputFiles(experiment, 'steps')).toEqual(['epoch-0-iter-3.pkl'])
    const second = await runSiamtrain(trainArgs(experiment, 'steps', '--resume', 'latest', '--max-iterations', '11'))
    expect(outputFiles(experiment, 'steps')).toEqual(['epoch-0-iter-3.pkl', 'epoch-0.pkl', 'epoch-1-iter-2.pkl'])
    const third = await runSiamtrain(trainArgs(experiment, 'steps', '--resume', 'latest'))
    expectFinishedEqual(third)
    expect([...computed(first), ...computed(second), ...computed(third)]).toEqual(computed(whole))
  })

  it('begins where an earlier epoch ended, by its number or its file', async () => {
    const byNumber = await runSiamtrain(trainArgs(experiment, 'whole', '--resume', '1'))
    expectFinishedEqual(byNumber)
    expect(computed(byNumber)).toEqual(computed(whole).slice(2 * iterations))
    const byFile = await runSiamtrain(trainArgs(experiment, 'by-file', '--resume', `${outputFolder(experiment, 'whole')}/epoch-0.pkl`))
    expectFinishedEqual(byFile)
  })

  it("begins at the configuration's snapshot", async () => {
    const args = trainArgs(experiment, 'configured')
    args.splice(args.indexOf('--json'), 0, `train.track.trainer.RegularTrainer.snapshot=${outputFolder(experiment, 'whole')}/epoch-1.pkl`)
    const run = await runSiamtrain(args)
    expectFinishedEqual(run)
    expect(computed(run)).toEqual(computed(whole).slice(2 * iterations))
  })

  it('that is finished says so and changes nothing', async () => {
    const before = outputFiles(experiment, 'whole')
    const run = await runSiamtrain(trainArgs(experiment, 'whole', '--resume', 'latest'))
    expectFinishedEqual(run)
    expect(computed(run)).toEqual([])
    expect(run.stderr).toMatch(/all 3 epochs of this run are done/)
    expect(outputFiles(experiment, 'whole')).toEqual(before)
  })

  it('is never begun over an older run by accident', async () => {
    const refused = await runSiamtrain(trainArgs(experiment, 'whole'))
    expect(refused.code).toBe(2)
    expect(refused.stderr).toMatch(/ERR_ARGUMENT .*there is a run already, with epoch-2\.pkl.*--resume latest.*--overwrite/)
    const missing = await runSiamtrain(trainArgs(experiment, 'nothing-there', '--resume', 'latest'))
    expect(missing.code).toBe(1)
    expect(missing.stderr).toMatch(/ERR_CHECKPOINT .*there is no snapshot/)
    const anew = await runSiamtrain(trainArgs(experiment, 'steps', '--overwrite', '--max-iterations', '1'))
    expect(anew.code, anew.stderr).toBe(0)
    expect(outputFiles(experiment, 'steps')).toEqual(['epoch-0-iter-1.pkl'])
  })
})

describe('a run that is killed with SIGKILL', () => {
  it('at any moment, also while a snapshot is being written, ends as if nothing had happened', async () => {
    const random = uniforms(20)
    const name = 'killed'
    const moments: string[] = []
    for (let kill = 0; kill < 10; kill++) {
      const start = outputFiles(experiment, name).some((file) => /^epoch-.*\.pkl$/.test(file)) ? ['--resume', 'latest'] : ['--overwrite']
      const run = startSiamtrain(trainArgs(experiment, name, '--snapshot-every', '1', ...start))
      // Half of the kills wait for the temporary file that this process writes a snapshot to; two come while it starts, the others at random times of the run.
      const moment = kill % 2 === 0 ? await whileWriting(name, run) : kill === 3 || kill === 7 ? await someTime(random() * 600) : await afterSomeLines(1 + Math.floor(random() * 3), random() * 20, run)
      run.child.kill('SIGKILL')
      const { code } = await run.finished
      moments.push(code === null ? moment : 'finished before')
      if (code !== null) break
    }
    console.log(`killed: ${moments.join(', ')}`)
    expect(moments).toHaveLength(10)
    expect(moments).not.toContain('finished before')
    expect(moments.filter((moment) => moment === 'while writing')).toHaveLength(5)
    expectFinishedEqual(await runSiamtrain(trainArgs(experiment, name, '--resume', 'latest', '--snapshot-every', '1')))
    expect(readdirSync(outputFolder(experiment, name)).filter((file) => file.includes('.tmp-'))).toEqual([])
  })

  async function whileWriting(name: string, run: Running): Promise<string> {
    const own = new RegExp(`\\.tmp-.*-${run.child.pid}-\\d+-\\d+$`)
    while (run.child.exitCode === null) {
      if (outputFiles(experiment, name).some((file) => own.test(file))) return 'while writing'
      await new Promise((resolve) => setImmediate(resolve))
    }
    return 'ended'
  }

  async function someTime(milliseconds: number): Promise<string> {
    await sleep(milliseconds)
    return `${milliseconds.toFixed(0)} ms after its start`
  }

  /** By iterations and not by time alone: ten kills must not reach the run's end on a fast machine. */
  async function afterSomeLines(lines: number, milliseconds: number, run: Running): Promise<string> {
    const seen = new Set<Record<string, unknown>>()
    await run.line((line) => seen.add(line).size >= lines)
    await sleep(milliseconds)
    return `${milliseconds.toFixed(0)} ms after ${lines} iterations`
  }
})
