/** `siamtrain eval` as a user calls it: numbers on stdout, warnings on stderr, files only where asked, clear errors for bad results. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runCli } from '../helpers/run-cli.ts'
import { shared } from '../helpers/shared.ts'
import { makeZip } from '../helpers/zip-file.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'siam-eval-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const three = '10,10,10,10\n12,10,10,10\n14,10,10,10\n'

/** OTB2015's file with two sequences of three frames. */
function annotations(): string {
  const file = path.join(dir, 'OTB2015.json')
  const truth = three.trim().split('\n').map((line) => line.split(',').map(Number))
  writeFileSync(file, JSON.stringify({ dog: { gt_rect: truth, attr: ['OCC'] }, human4_2: { gt_rect: truth } }))
  return file
}

function results(name: string, files: Record<string, string>): string {
  const folder = path.join(dir, name)
  mkdirSync(folder)
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
    writeFileSync(path.join(folder, file), text)
  }
  return folder
}

const good = { 'Dog.txt': three, 'Human4.txt': three }

describe('siamtrain eval', () => {
  it('gives the published scores of OTB2015 and VOT2018 as JSON', async () => {
    const otb = await runCli(['eval', 'OTB2015', '--annotations', shared('eval', 'otb2015', 'OTB2015.json'), '--results', shared('eval', 'otb2015', 'siamfcpp_alexnet.zip'), '--json'])
    expect(otb.code).toBe(0)
    expect(otb.stderr).toMatch(/^Warning: .*Tiger1\.txt: 354 boxes for the 349 annotated frames.*\n$/)
    const { benchmark, trackers } = JSON.parse(otb.stdout) as { benchmark: string; trackers: Record<string, Record<string, number>> }
    expect([benchmark, Object.keys(trackers)]).toEqual(['OTB2015', ['siamfcpp_alexnet']])
    expect(Math.abs((trackers.siamfcpp_alexnet?.auc as number) - 0.68)).toBeLessThan(0.001)
    expect(Math.abs((trackers.siamfcpp_alexnet?.precision as number) - 0.884)).toBeLessThan(0.001)

    const vot = await runCli(['eval', 'vot2018', '--annotations', shared('eval', 'vot2018', 'VOT2018.json'), '--results', shared('eval', 'vot2018', 'siamfcpp_alexnet.zip'), '--json'])
    expect(vot.code).toBe(0)
    const scores = Object.values((JSON.parse(vot.stdout) as { trackers: Record<string, Record<string, number>> }).trackers)[0] as Record<string, number>
    expect(Math.abs((scores.accuracy as number) - 0.588)).toBeLessThan(0.001)
    expect(Math.abs((scores.robustness as number) - 0.243)).toBeLessThan(0.001)
    expect(Math.abs((scores.eao as number) - 0.373)).toBeLessThan(0.001)
  })

  it('prints tables of several trackers, the best first, and writes what is asked for', async () => {
    const worse = results('worse', { 'Dog.txt': three.replace('14', '90'), 'human4-2.txt': three })
    const csv = path.join(dir, 'scores.csv')
    const report = path.join(dir, 'report')
    const { code, stdout, stderr } = await runCli(['eval', 'otb100', '--annotations', annotations(), '--results', worse, `ours=${results('better', good)}`, '--sequences', '--attributes', '--csv', csv, '--report', report, '--compat', 'exact', '--convention', 'first=counts'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: `Report in ${path.join(report, 'index.html')}\n` })
    const lines = stdout.split('\n')
    expect(lines[0]).toBe('OTB2015: 2 sequences, conventions of exact')
    expect(lines[4]).toMatch(/^ours +1\.000 +1\.000 +1\.000/)
    expect(lines[5]).toMatch(/^worse +0\.833/)
    expect(stdout).toMatch(/dog +3 +1\.000 +0\.667\n/)
    expect(stdout).toMatch(/OCC +1 +1\.000 +0\.667\n/)
    expect(readFileSync(csv, 'utf8')).toMatch(/^ours,all,,2,1,/m)
    expect(readdirSync(report)).toContain('index.html')
  })

  it('takes = in a path that is not there as a part of it', async () => {
    const { code, stderr } = await runCli(['eval', 'OTB2015', '--annotations', annotations(), '--results', path.join(dir, 'lr=0.1', 'T')])
    expect(code).toBe(1)
    expect(stderr).toContain(`ERR_IO ${path.join(dir, 'lr=0.1', 'T')}: `)
  })

  it('missing sequences and short results are scored when asked', async () => {
    const part = results('part', { 'Dog.txt': '10,10,10,10\n12,10,10,10\n' })
    const { code, stdout, stderr } = await runCli(['eval', 'OTB2015', '--annotations', annotations(), '--results', part, '--missing', 'zero', '--short', 'pad', '--json'])
    expect(code).toBe(0)
    expect((JSON.parse(stdout) as { trackers: { part: { ao: number } }; missing: object })).toMatchObject({ trackers: { part: { ao: expect.closeTo(1 / 3, 12) as number } }, missing: { part: ['human4_2'] } })
    expect(stderr.match(/^Warning: /gm)).toHaveLength(2)
  })
})

describe('bad results end with one line that names the file, and nothing is written', () => {
  const zip = (entries: Parameters<typeof makeZip>[0]): string => {
    const file = path.join(dir, 'r.zip')
    writeFileSync(file, makeZip(entries))
    return file
  }
  // What else is refused, and how: test/unit/evaluate.test.ts.
  it.each<[string, () => string, RegExp]>([
    ['an empty folder', () => results('r', {}), /ERR_DATA .*\/r: the folder of results is empty \(expected dog\.txt, TRACKER\/dog\.txt/],
    ['a missing sequence', () => results('r', { 'Dog.txt': three }), /ERR_DATA .*\/r: r has no result for 1 of the 2 sequences of OTB2015: human4_2 \(.*--missing/],
    ['a zip bomb', () => zip([{ name: 'Dog.txt', data: Buffer.alloc(9 * 2 ** 20) }]), /ERR_DATA .*r\.zip: the zip entry "Dog\.txt" unpacks from \d+ to 9437184 bytes, more than 200 times as many \(it looks like a zip bomb\)/],
    ['names that lead out', () => zip([{ name: '../../evil.txt', data: three }]), /ERR_DATA .*r\.zip: the zip entry "\.\.\/\.\.\/evil\.txt" leads out of the archive/],
  ])('%s', async (_, make, message) => {
    const from = make()
    const file = annotations()
    const before = readdirSync(dir)
    const { code, stdout, stderr } = await runCli(['eval', 'OTB2015', '--annotations', file, '--results', from, '--csv', path.join(dir, 'scores.csv'), '--report', path.join(dir, 'report')])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(message)
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(readdirSync(dir)).toEqual(before)
    expect(existsSync(path.join(path.dirname(path.dirname(dir)), 'evil.txt'))).toBe(false)
  })
})

it('a wrong call ends with 2', async () => {
  const { code, stderr } = await runCli(['eval', 'OTB2015', '--annotations', 'a', '--results', 'b', '--convention', 'bins=many'])
  expect(code).toBe(2)
  expect(stderr).toMatch(/^siamtrain: ERR_ARGUMENT .*bins=a number from 2 to 10001/)
})
