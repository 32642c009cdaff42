/** `siamtrain test` as a user calls it: killed and called again, stopped with Ctrl-C, faults, JSON. */
import type { ChildProcess } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync, truncateSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeGot10kPart } from '../helpers/benchmarks/make.ts'
import { configFile, resultsIn, tracker, weights } from '../helpers/benchmarks/run.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { collect, runCli, startCli } from '../helpers/run-cli.ts'

let dir: string
const data = (): string => path.join(dir, 'got')
const out = (name: string): string => path.join(dir, name)
const folder = (name: string): string => path.join(out(name), 'GOT-Benchmark', 'result', 'GOT-10k', tracker)
const call = (name: string, ...more: string[]): string[] => ['test', configFile(), '--weights', weights(), '--benchmark', `GOT-10k=${data()}`, '--out', out(name), '--workers', '2', ...more]

beforeAll(() => {
  dir = temporaryFolder('test-command')
  makeGot10kPart(data(), 'val', { jpeg: 'real', frames: 6, sequences: 5 })
})
afterAll(() => removeFolder(dir))

/** The shortest sequence, which is therefore run last. */
const last = 'GOT-10k_Val_000001'

/** A run that never gets done with the last sequence. */
function startHeld(name: string, ...more: string[]): ChildProcess {
  const module = new URL('../helpers/benchmarks/hold-worker.ts', import.meta.url).href
  return startCli(call(name, ...more), { env: { NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=${module}`, HOLD_SEQUENCE: last } })
}

/** Waits until all sequences but the last are finished. */
async function allButLast(name: string): Promise<void> {
  const count = (): number => (existsSync(folder(name)) ? readdirSync(folder(name), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('_001.txt')).length : 0)
  while (count() < 4) await sleep(10)
}

/** Processes that a process has started, by their ids. */
function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/).filter((text) => text !== '').map(Number)
}

/** A process that has ended and that nobody has asked about counts as gone. */
function runs(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

describe('siamtrain test', () => {
  it('killed at any time and called again, it gives the files of a run that was never stopped', async () => {
    const whole = await runCli(call('whole', '--workers', '1', '--json'))
    expect([whole.code, whole.stderr]).toEqual([0, expect.stringContaining('results of 5 sequences in')])
    const report = JSON.parse(whole.stdout) as { done: boolean; benchmarks: { benchmark: string; results: string; evaluation: { trackers: Record<string, Record<string, number>> } }[] }
    expect(report).toMatchObject({ done: true, benchmarks: [{ benchmark: 'GOT-10k', subset: 'val', results: folder('whole'), sequences: 5, kept: 0, failed: [] }] })
    expect(report.benchmarks[0]!.evaluation.trackers[tracker]!.ao).toBeGreaterThan(0)
    const expected = resultsIn(folder('whole'))
    expect(Object.keys(expected)).toHaveLength(5)

    const child = startHeld('killed')
    const ended = collect(child)
    await allButLast('killed')
    const workers = childrenOf(child.pid!)
    expect(workers).toHaveLength(2)
    child.kill('SIGKILL')
    expect((await ended).signal).toBe('SIGKILL')
    while (workers.some(runs)) await sleep(10)
    const { [`${last}/${last}_001.txt`]: _, ...others } = expected
    expect(resultsIn(folder('killed'))).toEqual(others)

    const again = await runCli(call('killed', '--workers', '1'))
    expect([again.code, again.stdout]).toEqual([0, expect.stringMatching(/GOT-10k.* 5 sequences[\s\S]*AO[\s\S]*siamfcpp_tinyconv-got +0?\.?\d+/)])
    expect(again.stderr).toContain('results of 5 sequences, 4 of them from before, in')
    expect(resultsIn(folder('killed'))).toEqual(expected)
  })

  it('Ctrl-C ends it and its workers with 130; what is finished stays', async () => {
    const child = startHeld('stopped', '--quiet', '--workers', '1')
    const ended = collect(child)
    await allButLast('stopped')
    const workers = childrenOf(child.pid!)
    child.kill('SIGINT')
    expect(await ended).toMatchObject({ code: 130, stdout: '', stderr: 'siamtrain: ERR_ABORTED stopped by SIGINT\n' })
    expect(workers.filter(runs)).toEqual([])
    expect(Object.keys(resultsIn(folder('stopped')))).toHaveLength(4)
  })

  it('a broken frame: its sequence is named, the others are finished, the exit code is 1', async () => {
    const frame = path.join(data(), 'val', last, '00000002.jpg')
    truncateSync(frame, Math.floor(statSync(frame).size / 2))
    const { code, stdout, stderr } = await runCli(call('broken', '--sequences', `${last},GOT-10k_Val_000002`, '--workers', '1'))
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toContain(`GOT-10k ${last}: ERR_DATA ${frame}: `)
    expect(stderr.trimEnd().split('\n').at(-1)).toBe(`siamtrain: ERR_DATA 1 of 2 sequences could not be tracked: GOT-10k ${last} (the others are finished; mend these and call again)`)
    expect(Object.keys(resultsIn(folder('broken')))).toEqual(['GOT-10k_Val_000002/GOT-10k_Val_000002_001.txt'])
  })

  it.each([
    ['no configuration', ['test'], 2, /ERR_ARGUMENT Expected the YAML file/],
    ['a benchmark without a folder', ['test', 'x.yaml', '--benchmark', 'OTB2015'], 2, /Expected a benchmark and its folder/],
    ['data that is not there', ['test', '--config', 'CONFIG', '--weights', 'WEIGHTS', '--out', 'OUT', 'test.track.tester.names=["LaSOTTester"]', 'test.track.tester.LaSOTTester.data_root=/nowhere'], 1, /ERR_DATA \/nowhere: the folder of LaSOT is not there/],
  ])('fails in one line for %s', async (_, args, code, message) => {
    const places: Record<string, string> = { CONFIG: configFile(), WEIGHTS: weights(), OUT: out('none') }
    const outcome = await runCli([...args.map((arg) => places[arg] ?? arg), '--quiet'])
    expect([outcome.code, outcome.stdout]).toEqual([code, ''])
    expect(outcome.stderr).toMatch(message)
    expect(outcome.stderr.trim().split('\n')).toHaveLength(1)
  })
})
