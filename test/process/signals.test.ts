/** SIGINT and SIGTERM: the iteration is finished, a snapshot written, the way on printed; a second one ends the process at once. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { removeFolder } from '../helpers/make-dataset.ts'
import { makeExperiment, outputFiles, outputFolder, runSiamtrain, startSiamtrain, trainArgs, type Experiment } from '../helpers/train-process.ts'

let experiment: Experiment
beforeAll(() => {
  experiment = makeExperiment('signals', { epochs: 2, iterations: 400 })
})
afterAll(() => removeFolder(experiment.dir))

it.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s finishes the iteration, saves, says how to go on and exits with %d', async (signal, code) => {
  const run = startSiamtrain(trainArgs(experiment, signal))
  await run.line((line) => line.iteration === 3)
  const sentMs = performance.now()
  run.child.kill(signal)
  await run.said('Stopping after this iteration')
  const answeredMs = performance.now() - sentMs
  const { code: exitCode, stderr, lines } = await run.finished
  expect(exitCode, stderr).toBe(code)
  const last = lines.at(-1)!
  const iterations = lines.filter((line) => 'iteration' in line).length
  expect(last).toMatchObject({ done: false, snapshot: expect.stringContaining(`epoch-0-iter-${iterations}.pkl`) })
  expect(outputFiles(experiment, signal)).toEqual([`epoch-0-iter-${iterations}.pkl`])
  expect(answeredMs).toBeLessThan(1000)

  // The printed command, as a user would paste it, goes on at the next iteration.
  const command = /To go on:\n {2}(.+)\n/.exec(stderr)?.[1]
  expect(command).toMatch(/--resume latest/)
  const pasted = await new Promise<{ stdout: string; stderr: string }>((resolve, reject) => {
    const shell = spawn('sh', ['-c', `${command!} --max-iterations 1`], { env: { ...process.env, PATH: `${process.execPath.slice(0, process.execPath.lastIndexOf('/'))}:${process.env.PATH}` } })
    let stdout = ''
    let stderr = ''
    shell.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    shell.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    shell.on('error', reject)
    shell.on('close', () => resolve({ stdout, stderr }))
  })
  expect(pasted.stdout, pasted.stderr).toMatch(/^\{/)
  expect(JSON.parse(pasted.stdout.split('\n')[0]!)).toMatchObject({ epoch: 0, iteration: iterations })
})

it('a signal before the first iteration ends the run with nothing saved', async () => {
  const run = startSiamtrain(trainArgs(experiment, 'early'))
  // The output folder is made before data and network are read.
  while (!existsSync(outputFolder(experiment, 'early')) && run.child.exitCode === null) await sleep(1)
  run.child.kill('SIGINT')
  const { code, stderr, lines } = await run.finished
  expect(code, stderr).toBe(130)
  expect(stderr).toMatch(/^siamtrain: ERR_ABORTED /m)
  expect(lines.filter((line) => 'iteration' in line)).toEqual([])
  expect(outputFiles(experiment, 'early')).toEqual([])
})

it('a second signal ends it at once, in the middle of a long iteration', async () => {
  const wide = ['model.backbone.name=AlexNet', 'model.task_head.DenseboxHead.head_width=256', 'model.task_model.SiamTrack.head_width=256', 'data.minibatch=24', 'data.nr_image_per_epoch=9600']
  const args = trainArgs(experiment, 'twice')
  args.splice(args.indexOf('--json'), 0, ...wide.map((override) => `train.track.${override}`))
  const run = startSiamtrain(args)
  const firstLine = await run.line((line) => line.iteration === 0)
  const { fwd, bwd } = firstLine.time as { fwd: number; bwd: number }
  expect(fwd + bwd, 'an iteration that is long enough to be interrupted').toBeGreaterThan(0.7)
  run.child.kill('SIGINT')
  await run.said('Stopping after this iteration')
  await sleep(400)
  const sentMs = performance.now()
  run.child.kill('SIGINT')
  const { signal, lines } = await run.finished
  expect(signal).toBe('SIGINT')
  expect(performance.now() - sentMs).toBeLessThan(1000 * (fwd + bwd) + 500)
  expect(lines.at(-1)).not.toHaveProperty('done')
})

it('the same keypress that arrives twice (npm passes it on) counts once', async () => {
  const run = startSiamtrain(trainArgs(experiment, 'keypress'))
  await run.line((line) => line.iteration === 1)
  run.child.kill('SIGINT')
  run.child.kill('SIGINT')
  const { code } = await run.finished
  expect(code).toBe(130)
  expect(outputFiles(experiment, 'keypress')).toEqual([expect.stringMatching(/^epoch-0-iter-\d+\.pkl$/)])
})

it('a reader that leaves early (| head) ends it quietly', async () => {
  const run = startSiamtrain(trainArgs(experiment, 'pipe'))
  await run.line((line) => line.iteration === 0)
  run.child.stdout?.destroy()
  const { code } = await run.finished
  expect(code).toBe(141)
})

it('what is left to do is done afterwards', async () => {
  const run = await runSiamtrain(trainArgs(experiment, 'SIGINT', '--resume', 'latest', '--max-iterations', '2'))
  expect(run.code, run.stderr).toBe(0)
})
