/** The event loop stays free while an epoch runs: timers come in time. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { removeFolder } from '../helpers/make-dataset.ts'
import { makeExperiment, type Experiment } from '../helpers/train-process.ts'

let experiment: Experiment
beforeAll(() => {
  experiment = makeExperiment('event-loop', { epochs: 5, iterations: 20, minibatch: 4 })
})
afterAll(() => removeFolder(experiment.dir))

type Tick = [at: number, lateMs: number]

function startTimer<T>(...args: string[]): { stop(): void; result: Promise<T> } {
  const script = fileURLToPath(new URL('../helpers/timer-beside-training.ts', import.meta.url))
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  let stdout = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  const result = new Promise<T>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => (code === 0 ? resolve(JSON.parse(stdout) as T) : reject(new Error(`exit ${code}`))))
  })
  return { stop: () => void child.kill('SIGTERM'), result }
}

const largest = (ticks: Tick[]): number => ticks.reduce((most, [, lateMs]) => Math.max(most, lateMs), 0)
const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!
const shown = (values: number[]): string => values.map((ms) => ms.toFixed(1)).join(', ')

it('a 10 ms timer beside a running epoch is never late by more than 30 ms (median of five epochs)', async () => {
  // What other processes on the machine do to any timer is measured in the same seconds by a process that does nothing else.
  const idle = startTimer<Tick[]>('--idle')
  const epochs = await startTimer<Tick[][]>(experiment.config, ...experiment.overrides).result
  idle.stop()
  const idleTicks = await idle.result
  expect(epochs).toHaveLength(5)
  const late = epochs.map(largest)
  const machine = epochs.map((ticks) => largest(idleTicks.filter(([at]) => at >= ticks[0]![0] && at <= ticks.at(-1)![0] + 10)))
  console.log(`timer's largest lateness in each epoch: ${shown(late)} ms, median ${median(late).toFixed(1)}; of an idle process's timer: ${shown(machine)} ms`)
  expect(epochs.flat().length).toBeGreaterThan(100)
  expect(median(late.map((ms, i) => ms - machine[i]!))).toBeLessThanOrEqual(30)
})
