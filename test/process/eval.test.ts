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

  it('trackers of the same name stay apart', async () => {
    const [a, b] = [path.join(dir, 'a.zip'), path.join(dir, 'b.zip')]
    for (const file of [a, b]) writeFileSync(file, makeZip(Object.entries(good).map(([name, data]) => ({ name: `T/${name}`, data }))))
    const { stdout } = await runCli(['eval', 'OTB2015', '--annotations', annotations(), '--results', a, b, '--json'])
    expect(Object.keys((JSON.parse(stdout) as { trackers: object }).trackers)).toEqual(['T [a.zip]', 'T [b.zip]'])
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
  const bomb = Buffer.alloc(9 * 2 ** 20)
  it.each<[string, () => string, RegExp]>([
    ['an empty folder', () => results('r', {}), /ERR_DATA .*\/r: the folder of results is empty \(expected dog\.txt, TRACKER\/dog\.txt/],
    ['other files only', () => results('r', { 'notes.txt': 'x' }), /ERR_DATA .*none of its 1 files is a result/],
    ['a missing sequence', () => results('r', { 'Dog.txt': three }), /ERR_DATA .*\/r: r has no result for 1 of the 2 sequences of OTB2015: human4_2 \(.*--missing/],
    ['too few boxes', () => results('r', { ...good, 'Dog.txt': '10,10,10,10\n' }), /ERR_DATA .*\/r\/Dog\.txt: expected 3 boxes for dog, one for each annotated frame, but found 1 \(.*--short pad/],
    ['a word', () => results('r', { ...good, 'Dog.txt': three.replace('12', 'twelve') }), /ERR_DATA .*\/r\/Dog\.txt:2: expected a number but found "twelve"/],
    ['nothing there', () => path.join(dir, 'none'), /ERR_IO .*\/none: cannot read/],
    ['no archive', () => path.join(results('r', { 'a.rar': 'Rar!' }), 'a.rar'), /ERR_DATA .*a\.rar: the zip cannot be read/],
    ['a zip bomb', () => zip([{ name: 'Dog.txt', data: bomb }]), /ERR_DATA .*r\.zip: the zip entry "Dog\.txt" unpacks from \d+ to 9437184 bytes, more than 200 times as many \(it looks like a zip bomb\)/],
    ['names that lead out', () => zip([{ name: '../../evil.txt', data: three }]), /ERR_DATA .*r\.zip: the zip entry "\.\.\/\.\.\/evil\.txt" leads out of the archive/],
    ['a link', () => zip([{ name: 'Dog.txt', data: '/etc/passwd', mode: 0o120777 }]), /ERR_DATA .*r\.zip: the zip entry "Dog\.txt" is a link/],
    ['a damaged entry', () => zip([{ name: 'Dog.txt', data: three, says: { crc32: 1 } }]), /ERR_DATA .*r\.zip:Dog\.txt: .*checksum/],
  ])('%s', async (_, make, message) => {
    const from = make()
    const file = annotations()
    const before = readdirSync(dir)
    const csv = path.join(dir, 'scores.csv')
    const { code, stdout, stderr } = await runCli(['eval', 'OTB2015', '--annotations', file, '--results', from, '--csv', csv, '--report', path.join(dir, 'report')])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(message)
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(readdirSync(dir)).toEqual(before)
    expect(existsSync(path.join(path.dirname(path.dirname(dir)), 'evil.txt'))).toBe(false)
  })

  function zip(entries: Parameters<typeof makeZip>[0]): string {
    const file = path.join(dir, 'r.zip')
    writeFileSync(file, makeZip(entries))
    return file
  }
})

describe('a wrong call', () => {
  it.each<[string, string[], RegExp]>([
    ['an unknown benchmark', ['unicorns', '--annotations', 'a', '--results', 'b'], /ERR_ARGUMENT there is no benchmark "unicorns" \(known are OTB2013, OTB2015/],
    ['an unknown toolkit', ['OTB2015', '--annotations', 'a', '--results', 'b', '--compat', 'vot'], /ERR_ARGUMENT Expected one of got10k, otb, pysot, trackingnet, exact/],
    ['an unknown convention', ['OTB2015', '--annotations', 'a', '--results', 'b', '--convention', 'bins=many'], /ERR_ARGUMENT .*bins=a number from 2 to 10001/],
    ['conventions of one-pass for VOT', ['VOT2018', '--annotations', 'a', '--results', 'b', '--convention', 'bins=21'], /ERR_ARGUMENT Expected none for conventions of a VOT benchmark/],
    ['no results', ['OTB2015', '--annotations', 'a'], /ERR_ARGUMENT required option '--results <path\.\.\.>' not specified/],
  ])('%s', async (_, args, message) => {
    const { code, stderr } = await runCli(['eval', ...args])
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
  })

  it('a part whose annotations are secret', async () => {
    const { code, stderr } = await runCli(['eval', 'GOT-10k/test', '--annotations', dir, '--results', dir])
    expect(code).toBe(1)
    expect(stderr).toMatch(/ERR_DATA .*the annotations of GOT-10k test are kept by its server/)
  })
})
