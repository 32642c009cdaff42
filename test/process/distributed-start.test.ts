/** Ranks that do not find each other, or are called wrongly, say so. */
import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../lib/distributed/free-port.ts'
import { reachRank0 } from '../../lib/distributed/reach.ts'
import { rankVariables, startRanksOf } from '../helpers/launched-ranks.ts'
import { removeFolder } from '../helpers/make-dataset.ts'
import { makeExperiment, outputFiles, runSiamtrain, startSiamtrain, trainArgs, type Experiment } from '../helpers/train-process.ts'

let experiment: Experiment
beforeAll(() => {
  experiment = makeExperiment('ranks-start', { epochs: 1, iterations: 3 })
})
afterAll(() => removeFolder(experiment.dir))

describe('ranks that do not meet', () => {
  it('name who is missing, after the time-out of the start', async () => {
    const port = await freePort()
    const run = await runSiamtrain(trainArgs(experiment, 'missing', '--dist-start-timeout', '0.5'), { env: rankVariables(0, 3, port) })
    expect(run.code).toBe(1)
    expect(run.stderr).toContain('siamtrain: ERR_DISTRIBUTED rank 0 of 3 waited 500 ms for ranks 1 and 2, which did not come')
  })

  it('name rank 0 where that one is missing', async () => {
    const port = await freePort()
    const run = await runSiamtrain(trainArgs(experiment, 'missing', '--dist-start-timeout', '0.5'), { env: rankVariables(1, 2, port) })
    expect(run.code).toBe(1)
    expect(run.stderr).toContain(`siamtrain: ERR_DISTRIBUTED rank 1 of 2 did not reach rank 0 at 127.0.0.1:${port} within 0.5 s: ECONNREFUSED`)
  })

  it('end at SIGINT while they wait', async () => {
    const port = await freePort()
    const run = startSiamtrain(trainArgs(experiment, 'waiting'), { env: rankVariables(0, 2, port) })
    // It keeps the store, so it waits for rank 1 from then on.
    await reachRank0({ rank: 1, worldSize: 2, address: '127.0.0.1', port }, 100)
    run.child.kill('SIGINT')
    const { code, stderr } = await run.finished
    expect(code, stderr).toBe(130)
    expect(stderr).toContain('siamtrain: ERR_ABORTED rank 0 of 2 was stopped while it waited for rank 1')
  })

  it('say that the port is taken', async () => {
    const server = createServer()
    const port = await freePort()
    await new Promise<void>((resolve) => server.listen(port, resolve))
    try {
      const run = await runSiamtrain(trainArgs(experiment, 'port'), { env: rankVariables(0, 2, port) })
      expect(run.code).toBe(1)
      expect(run.stderr).toContain(`siamtrain: ERR_DISTRIBUTED rank 0 of 2 cannot listen at port ${port}: another process uses it`)
    } finally {
      server.close()
    }
  })

  it('say that they were started with different WORLD_SIZEs', async () => {
    const port = await freePort()
    const runs = [rankVariables(0, 2, port), rankVariables(1, 3, port)].map((env) => runSiamtrain(trainArgs(experiment, 'sizes', '--dist-start-timeout', '60'), { env }))
    const [first, second] = await Promise.all(runs)
    expect([first!.code, second!.code]).toEqual([1, 1])
    expect(first!.stderr + second!.stderr).toMatch(/siamtrain: ERR_CONFIG rank \d was started with WORLD_SIZE \d, rank \d with \d/)
  })

  it('fail with the reason of the one that fails', async () => {
    const args = trainArgs(experiment, 'bad-data')
    args.splice(args.indexOf('--json'), 0, `train.track.data.sampler.submodules.dataset.GOT10kDataset.dataset_root=${experiment.dir}/nowhere`)
    const [first, second] = await Promise.all(startRanksOf(args, 2, await freePort()).map(({ finished }) => finished))
    expect([first!.code, second!.code], first!.stderr + second!.stderr).toEqual([1, 1])
    expect(first!.stderr).toMatch(/ERR_DATA|ERR_DISTRIBUTED .*ERR_DATA/)
    expect(second!.stderr).toMatch(/ERR_DATA|ERR_DISTRIBUTED .*ERR_DATA/)
  })
})

describe('a call that cannot be', () => {
  it.each<[what: string, more: string[], env: Record<string, string>, code: number, message: string]>([
    ['--nproc in a process that is a rank', ['--nproc', '2'], { RANK: '1', WORLD_SIZE: '4', MASTER_ADDR: 'a', MASTER_PORT: '1' }, 2, '--nproc starts processes, but by RANK and WORLD_SIZE this is rank 1 of 4'],
    ['--nproc auto without GPUs to count', ['--nproc', 'auto'], {}, 2, '--nproc auto is the number of GPUs and needs --device cuda'],
    ['--nproc 0', ['--nproc', '0'], {}, 2, "Expected a number of processes from 1 to 1024, or 'auto'"],
    ['a malformed variable', [], { RANK: 'x', WORLD_SIZE: '2' }, 1, 'ERR_CONFIG Expected an integer ≥ 0 for the environment variable RANK but received "x"'],
    ['NCCL on the CPU', ['--backend', 'nccl'], {}, 2, '--backend nccl needs --device cuda'],
    ['another backend', ['--backend', 'mpi'], {}, 2, 'Expected gloo or nccl'],
    ['no time', ['--dist-timeout', '0'], {}, 2, 'Expected a number of seconds above 0'],
  ])('%s', async (_what, more, env, code, message) => {
    const run = await runSiamtrain(trainArgs(experiment, 'wrong', ...more), { env })
    expect(run.stderr).toContain(message)
    expect(run.code).toBe(code)
  })

  it('is found once, before any process is started', async () => {
    const run = await runSiamtrain([...trainArgs(experiment, 'wrong', '--nproc', '2', '--resume', '7')])
    expect([run.code, run.stderr.match(/ERR_CHECKPOINT/g)]).toEqual([1, ['ERR_CHECKPOINT']])
    const { code, stderr } = await runSiamtrain([...trainArgs(experiment, 'wrong', '--nproc', '2', '--backend', 'nccl')])
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^siamtrain: ERR_ARGUMENT --backend nccl needs --device cuda: .*\n$/)])
  })
})

describe('--resume auto', () => {
  it('begins a run the first time, and goes on with it the next', async () => {
    const first = await runSiamtrain(trainArgs(experiment, 'auto', '--resume', 'auto', '--max-iterations', '1'))
    expect(first.code, first.stderr).toBe(0)
    expect(outputFiles(experiment, 'auto')).toEqual(['epoch-0-iter-1.pkl'])
    const second = await runSiamtrain(trainArgs(experiment, 'auto', '--resume', 'auto'))
    expect(second.lines.filter((line) => 'iteration' in line).map(({ iteration }) => iteration), second.stderr).toEqual([1, 2])
  })
})

describe('a configuration of the DistributedRegularTrainer', () => {
  const distributed = ['train.track.trainer.name=DistributedRegularTrainer', 'train.track.num_processes=2']
  const argsOf = (name: string, ...more: string[]): string[] => {
    const args = trainArgs(experiment, name, ...more).map((arg) => arg.replace('.RegularTrainer.', '.DistributedRegularTrainer.'))
    args.splice(args.indexOf('--json'), 0, ...distributed)
    return args
  }

  it('says in one process what that changes and how to start more', async () => {
    const run = await runSiamtrain(argsOf('dist-one', '--max-iterations', '1'))
    expect(run.code, run.stderr).toBe(0)
    expect(run.stderr).toContain('To train in 2 on this machine add --nproc 2')
    expect(run.stderr).toContain('train.track.num_processes is 2, but this run is one process')
  })

  it('runs in as many as it asks for without a warning', async () => {
    const run = await runSiamtrain(argsOf('dist-two', '--nproc', '2', '--max-iterations', '1'))
    expect(run.code, run.stderr).toBe(0)
    expect(run.lines.at(-1)).toMatchObject({ ranks: 2, replicas_equal: true })
    expect(run.stderr).not.toContain('num_processes is')
  })

  it('runs as a group of one where a backend is asked for', async () => {
    const run = await runSiamtrain(argsOf('dist-group', '--backend', 'gloo', '--max-iterations', '1'), { env: { RANK: '0', WORLD_SIZE: '1' } })
    expect(run.code, run.stderr).toBe(0)
    expect(run.lines.at(-1)).toMatchObject({ ranks: 1, backend: 'gloo', replicas_equal: true })
  })
})
