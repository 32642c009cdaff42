/** `siamtrain synth` as a process: results on stdout, progress on stderr, exit codes, signals. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { runSiamtrain, startSiamtrain } from '../helpers/train-process.ts'

let folder = ''
beforeAll(() => {
  folder = temporaryFolder('synth-cli')
})
afterAll(() => removeFolder(folder))

const small = ['--sequences', '2', '--val', '1', '--frames', '3', '--size', '120x90']

it('makes a data set and reports it, for people and for programs', async () => {
  const text = await runSiamtrain(['synth', path.join(folder, 'text'), ...small])
  expect(text.code, text.stderr).toBe(0)
  expect(text.stdout).toContain(`Made ${path.join(folder, 'text')}`)
  expect(text.stdout).toContain('2 sequences, 6 frames')
  expect(text.stderr).toContain('9/9')
  const json = await runSiamtrain(['synth', 'json', ...small, '--json', '--seed', '4'], { cwd: folder })
  expect(json.code, json.stderr).toBe(0)
  expect(json.lines).toEqual([expect.objectContaining({ out: path.join(folder, 'json'), seed: 4, width: 120, height: 90, train: expect.objectContaining({ sequences: 2, frames: 6 }) as unknown })])
})

it('refuses a folder with something in it, and takes it by --force', async () => {
  const out = path.join(folder, 'occupied')
  mkdirSync(out)
  writeFileSync(path.join(out, 'mine.txt'), '')
  const refused = await runSiamtrain(['synth', out, ...small])
  expect(refused.code).toBe(1)
  expect(refused.stderr).toMatch(/^siamtrain: ERR_IO .*not empty \(--force replaces it\)\n$/)
  expect(readdirSync(out)).toEqual(['mine.txt'])
  const forced = await runSiamtrain(['synth', out, ...small, '--force'])
  expect(forced.code, forced.stderr).toBe(0)
  expect(readdirSync(out).sort()).toEqual(['train', 'val'])
})

it.each([
  [['synth'], /missing required argument/],
  [['synth', 'x', '--size', '12'], /WIDTHxHEIGHT/],
  [['synth', 'x', '--frames', '-3'], /integer/],
  [['synth', 'x', '--sequences', '0', '--val', '0'], /nothing in it/],
  [['synth', 'x', '--size', '8x8'], /from 64 to 4096/],
  [['synth', 'x', '--colour', 'red'], /unknown option/],
])('%j is a wrong call', async (args, message) => {
  const run = await runSiamtrain(args, { cwd: folder })
  expect(run.stderr).toMatch(message)
  expect(run.stderr).toMatch(/^siamtrain: ERR_ARGUMENT /)
  expect(run.code).toBe(2)
  expect(existsSync(path.join(folder, 'x'))).toBe(false)
})

it.each<['SIGINT' | 'SIGTERM', number]>([['SIGINT', 130], ['SIGTERM', 143]])('%s: stops at once and leaves nothing', async (signal, code) => {
  const run = startSiamtrain(['synth', path.join(folder, signal), '--sequences', '500', '--frames', '200'])
  const partial = (): string[] => readdirSync(folder).filter((name) => name.startsWith(`.${signal}.partial-`))
  const framesBegun = (): boolean => partial().some((name) => readdirSync(path.join(folder, name), { recursive: true, encoding: 'utf8' }).some((file) => file.endsWith('.jpg')))
  while (!framesBegun()) await new Promise((resolve) => setTimeout(resolve, 20))
  run.child.kill(signal)
  const finished = await run.finished
  expect(finished.code, finished.stderr).toBe(code)
  expect(finished.stderr).toContain('ERR_ABORTED')
  expect(readdirSync(folder).filter((name) => name.includes(signal))).toEqual([])
})
