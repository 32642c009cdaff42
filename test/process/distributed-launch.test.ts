/** `siamtrain train --nproc 2`: replicas are equal, and whatever ends a run ends all of it and is resumed without a trace. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../lib/distributed/free-port.ts'
import { ended, ranksOf, startRanksOf } from '../helpers/launched-ranks.ts'
import { removeFolder } from '../helpers/make-dataset.ts'
import { makeExperiment, outputFiles, runSiamtrain, startSiamtrain, trainArgs, type Experiment, type Finished } from '../helpers/train-process.ts'

const epochs = 2
const iterations = 8
let experiment: Experiment
let whole: Finished
let expected: string

beforeAll(async () => {
  experiment = makeExperiment('nproc', { epochs, iterations, minibatch: 4 })
  whole = await runSiamtrain(trainArgs(experiment, 'whole', '--nproc', '2'))
  expected = last(whole).state_sha256 as string
})
afterAll(() => removeFolder(experiment.dir))

const last = (run: Finished): Record<string, unknown> => run.lines.at(-1) ?? {}

function expectFinishedEqual(run: Finished): void {
  expect(run.code, run.stderr).toBe(0)
  expect(last(run)).toMatchObject({ done: true, completed: true, ranks: 2, replicas_equal: true, state_sha256: expected })
}

async function expectResumedEqual(name: string): Promise<void> {
  expectFinishedEqual(await runSiamtrain(trainArgs(experiment, name, '--nproc', '2', '--resume', 'latest')))
}

describe('two processes', () => {
  it('train equal replicas; rank 0 alone prints and saves', () => {
    expect(whole.code, whole.stderr).toBe(0)
    expect(last(whole)).toMatchObject({ done: true, completed: true, ranks: 2, backend: 'gloo', replicas_equal: true, state_sha256: expect.stringMatching(/^[0-9a-f]{64}$/) })
    expect(whole.lines.filter((line) => 'iteration' in line).map(({ epoch, iteration }) => [epoch, iteration])).toEqual(Array.from({ length: epochs * iterations }, (_, i) => [Math.floor(i / iterations), i % iterations]))
    expect(outputFiles(experiment, 'whole')).toEqual(['epoch-0.pkl', 'epoch-1.pkl', 'final_model.pkl'])
    expect(whole.stderr.match(/^Saved /gm)).toHaveLength(3)
  })

  it('started by the variables of torchrun, without the launcher, compute the same', async () => {
    const [first, second] = await Promise.all(startRanksOf(trainArgs(experiment, 'variables'), 2, await freePort(), { GLOO_SOCKET_IFNAME: 'lo' }).map(({ finished }) => finished))
    expectFinishedEqual(first!)
    expect([second!.code, second!.stdout], second!.stderr).toEqual([0, ''])
  })
})

describe('a run of two processes that is ended', () => {
  it('by SIGINT saves one snapshot, exits with 130, and goes on as the printed command says', async () => {
    const run = startSiamtrain(trainArgs(experiment, 'interrupted', '--nproc', '2'))
    await run.line((line) => line.iteration === 2)
    run.child.kill('SIGINT')
    const { code, stderr, lines } = await run.finished
    expect(code, stderr).toBe(130)
    const done = lines.filter((line) => 'iteration' in line).length
    expect(lines.at(-1)).toMatchObject({ done: false, snapshot: expect.stringContaining('.pkl') })
    expect(outputFiles(experiment, 'interrupted').filter((name) => name.startsWith('epoch-'))).toContain(done % iterations === 0 ? `epoch-${done / iterations - 1}.pkl` : `epoch-${Math.floor(done / iterations)}-iter-${done % iterations}.pkl`)
    expect(stderr).toMatch(/To go on:\n {2}.*--resume latest.* --nproc 2/)
    expect(stderr).not.toMatch(/rank \d (ended|was ended)/)
    await expectResumedEqual('interrupted')
  })

  it("by a rank's kill -9 says so, and is resumed", async () => {
    const run = startSiamtrain(trainArgs(experiment, 'lost', '--nproc', '2', '--snapshot-every', '1'))
    const pids = await ranksOf(run.child.pid!, 2)
    await run.line((line) => line.iteration === 2)
    process.kill(pids[1]!, 'SIGKILL')
    const { code, stderr, lines } = await run.finished
    expect(code, stderr).toBe(137)
    expect(stderr).toMatch(/^siamtrain: rank 1 was ended by SIGKILL$/m)
    expect(stderr).toMatch(/^siamtrain: ERR_DISTRIBUTED rank 0 of 2 /m)
    expect(lines.at(-1)).not.toHaveProperty('done')
    await ended(pids)
    await expectResumedEqual('lost')
  })

  it("by the launcher's kill -9 leaves no process, and is resumed", async () => {
    const run = startSiamtrain(trainArgs(experiment, 'orphaned', '--nproc', '2'))
    const pids = await ranksOf(run.child.pid!, 2)
    await run.line((line) => line.iteration === 2)
    run.child.kill('SIGKILL')
    await ended(pids)
    expect(outputFiles(experiment, 'orphaned').filter((name) => name.startsWith('epoch-')).length).toBeGreaterThan(0)
    await expectResumedEqual('orphaned')
  })
})
