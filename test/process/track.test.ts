/** `siamtrain track` as a user calls it: results on stdout, files whole or not there, errors in one line, Ctrl-C. */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadAddon } from '../../lib/native/load.ts'
import { collect, runCli, startCli } from '../helpers/run-cli.ts'
import { shared } from '../helpers/shared.ts'

const config = (): string => shared('reference-configs', 'train', 'got10k', 'siamfcpp_tinyconv-trn.yaml')
const weights = (): string => shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl')

describe('siamtrain track', () => {
  let dir: string
  let frames: string
  const init = '312.6,146.9,106.1,96.4'
  const track = (...more: string[]) => ['track', frames, '--config', config(), '--weights', weights(), '--quiet', ...more]

  beforeAll(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'siam-track-'))
    frames = path.join(dir, 'frames')
    mkdirSync(frames)
    for (let k = 1; k <= 6; k += 1) copyFileSync(shared('data', 'vot-bag', `${String(k).padStart(8, '0')}.jpg`), path.join(frames, `${k}.jpg`))
    const truth = readFileSync(shared('data', 'vot-bag', 'groundtruth.txt'), 'utf8').split('\n').slice(0, 6)
    writeFileSync(path.join(dir, 'groundtruth.txt'), `${truth.join('\n')}\n`)
  })
  afterAll(() => rmSync(dir, { recursive: true, force: true }))

  it('prints one JSON line a frame and writes boxes and overlays', async () => {
    const out = path.join(dir, 'boxes.txt')
    const overlay = path.join(dir, 'overlay')
    const { code, stdout, stderr } = await runCli(track('--init', init, '--json', '--out', out, '--overlay', overlay))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const lines = stdout.trim().split('\n').map((line) => JSON.parse(line) as { frame: number; box: number[]; score: number; seconds: number })
    expect(lines.map((line) => line.frame)).toEqual([0, 1, 2, 3, 4, 5])
    expect(lines[0]).toMatchObject({ box: [312.6, 146.9, 106.1, 96.4], score: 1 })
    for (const { box, score, seconds } of lines) {
      expect(box.every(Number.isFinite)).toBe(true)
      expect(score).toBeGreaterThan(0)
      expect(seconds).toBeGreaterThan(0)
    }
    const boxes = readFileSync(out, 'utf8').trim().split('\n')
    expect(boxes).toEqual(lines.map(({ box }) => box.map((value) => value.toFixed(3)).join(',')))
    const drawn = readdirSync(overlay)
    expect(drawn).toEqual(['00000001.jpg', '00000002.jpg', '00000003.jpg', '00000004.jpg', '00000005.jpg', '00000006.jpg'])
    const picture = loadAddon().decodeJpeg(readFileSync(path.join(overlay, '00000001.jpg')))
    const edge = 3 * (147 * picture.width + 360)
    expect(picture.data[edge + 1] as number).toBeGreaterThan(150)
  })

  it('takes the first box from the groundtruth and says the overlap', async () => {
    const args = ['track', frames, '--config', config(), '--weights', weights(), '--groundtruth', path.join(dir, 'groundtruth.txt')]
    const { code, stdout, stderr } = await runCli(args)
    expect(code).toBe(0)
    expect(stdout.trim().split('\n')).toHaveLength(6)
    const overlap = Number(/Mean overlap with .*groundtruth.txt: (\d\.\d+) over 5 frames/.exec(stderr)?.[1])
    expect(overlap).toBeGreaterThan(0.5)
  })

  it.each([
    ['no first box', [], 2, /ERR_ARGUMENT Expected --init/],
    ['a first box without area', ['--init', '10,10,0,5'], 2, /ERR_ARGUMENT.*x,y,w,h/],
    ['a first box outside', ['--init', '9000,10,20,20'], 2, /ERR_ARGUMENT.*overlaps the frame/],
    ['unknown weights', ['--init', init, '--weights', '/nowhere/epoch-1.pkl'], 1, /ERR_IO.*nowhere/],
    ['no GPU', ['--init', init, '--device', 'cuda:99'], 1, /ERR_DEVICE/],
    ['an overlay of a kind that is not written', ['--init', init, '--overlay', '/nowhere/drawn.mpg'], 2, /ERR_ARGUMENT.*drawn\.mpg.*\.mpg.*\.mp4/],
    ['an unwritable result', ['--init', init, '--out', '/nowhere/boxes.txt'], 1, /ERR_IO.*nowhere/],
  ])('fails in one line for %s', async (_, more, code, message) => {
    const outcome = await runCli(track(...more))
    expect(outcome.code).toBe(code)
    expect(outcome.stderr).toMatch(message)
    expect(outcome.stderr.trim().split('\n')).toHaveLength(1)
  })

  it.each([
    ['the frames themselves', (own: string) => ['--overlay', own], /ERR_ARGUMENT.*--overlay would replace a frame that is read, 00000002\.jpg/],
    ['the frames, by a link', (own: string) => ['--overlay', `${own}-link`], /ERR_ARGUMENT.*--overlay would replace a frame/],
    ['a frame by the boxes', (own: string) => ['--out', path.join(own, '00000001.jpg')], /ERR_ARGUMENT.*--out would replace a file that is read/],
    ['the annotations by the boxes', (own: string) => ['--out', path.join(own, 'truth.txt'), '--groundtruth', path.join(own, 'truth.txt')], /ERR_ARGUMENT.*--out would replace/],
    ['a folder by the boxes', (own: string) => ['--out', own], /ERR_IO.*Expected a file for --out/],
    ['a folder by an animation', (own: string) => ['--overlay', `${own}.gif`], /ERR_IO.*Expected a file for --overlay/],
  ])('never replaces %s', async (_, more, message) => {
    const own = mkdtempSync(path.join(dir, 'own-'))
    for (const k of [1, 2]) copyFileSync(path.join(frames, `${k}.jpg`), path.join(own, `0000000${k}.jpg`))
    writeFileSync(path.join(own, 'truth.txt'), `${init}\n${init}\n`)
    symlinkSync(own, `${own}-link`)
    mkdirSync(`${own}.gif`)
    const files = (): Buffer[] => ['00000001.jpg', '00000002.jpg', 'truth.txt'].map((name) => readFileSync(path.join(own, name)))
    const before = files()
    // Not the folder's first file: any of them counts.
    const { stderr } = await runCli(['track', path.join(own, '00000002.jpg'), path.join(own, '00000001.jpg'), '--config', config(), '--weights', weights(), '--quiet', '--init', init, ...more(own)])
    expect(stderr).toMatch(message)
    expect(files()).toEqual(before)
  })

  it('stops at a corrupt frame, names it, and writes no result', async () => {
    const broken = path.join(dir, 'broken')
    mkdirSync(broken)
    for (const k of [1, 2, 3]) copyFileSync(path.join(frames, `${k}.jpg`), path.join(broken, `${k}.jpg`))
    writeFileSync(path.join(broken, '3.jpg'), readFileSync(path.join(frames, '3.jpg')).subarray(0, 9000))
    const out = path.join(dir, 'broken.txt')
    const { code, stderr } = await runCli(['track', broken, '--config', config(), '--weights', weights(), '--init', init, '--quiet', '--out', out])
    expect(code).toBe(1)
    expect(stderr).toMatch(/ERR_DATA .*broken\/3\.jpg/)
    expect(existsSync(out)).toBe(false)
  })

  it('ends with 130 on Ctrl-C, without a result', async () => {
    const many = Array.from({ length: 150 }, (_, i) => path.join(frames, `${(i % 6) + 1}.jpg`))
    const out = path.join(dir, 'stopped.txt')
    const child = startCli(['track', ...many, '--config', config(), '--weights', weights(), '--init', init, '--json', '--out', out])
    child.stdout?.once('data', () => child.kill('SIGINT'))
    const { code, stderr } = await collect(child)
    expect(code).toBe(130)
    expect(stderr).toMatch(/Stopped after \d+ of 150 frames; .*stopped\.txt was not written/)
    expect(existsSync(out)).toBe(false)
  })
})

describe('siamtrain track with several targets', () => {
  const files = [1, 2, 3].map((k) => shared('data', 'vot-bag', `0000000${k}.jpg`))
  const base = ['track', ...files, '--config', config(), '--weights', weights(), '--quiet']
  const inits = ['312.6,146.9,106.1,96.4', '60,40,70,60']

  it('gives each the boxes that it has alone', async () => {
    const { code, stdout, stderr } = await runCli([...base, ...inits.flatMap((init) => ['--init', init])])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const rows = stdout.trim().split('\n').map((line) => line.split(',').map(Number))
    expect(rows.map(([frame, id]) => [frame, id])).toEqual([[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]])
    for (const [id, init] of inits.entries()) {
      const alone = await runCli([...base, '--init', init])
      const expected = alone.stdout.trim().split('\n').map((line) => line.split(',').map(Number))
      // One batch of crops or one crop: float32 sums in another order (0.05 px is golden's tolerance).
      for (const [frame, , ...box] of rows.filter((row) => row[1] === id)) for (const [i, value] of box.entries()) expect(Math.abs(value - expected[frame!]![i]!)).toBeLessThan(0.05)
    }
  })

  it('prints all objects of a frame in one JSON line', async () => {
    const { code, stdout } = await runCli([...base, ...inits.flatMap((init) => ['--init', init]), '--json'])
    expect(code).toBe(0)
    const lines = stdout.trim().split('\n').map((line) => JSON.parse(line) as { frame: number; objects: { id: number; box: number[]; score: number }[]; seconds: number })
    expect(lines.map(({ frame, objects }) => [frame, objects.map(({ id }) => id)])).toEqual([[0, [0, 1]], [1, [0, 1]], [2, [0, 1]]])
    expect(lines[0]!.objects[1]).toMatchObject({ box: [60, 40, 70, 60], score: 1 })
  })

  it('refuses the groundtruth of one target', async () => {
    const { code, stderr } = await runCli([...base, ...inits.flatMap((init) => ['--init', init]), '--groundtruth', shared('data', 'vot-bag', 'groundtruth.txt')])
    expect(code).toBe(2)
    expect(stderr).toMatch(/ERR_ARGUMENT Expected one --init with --groundtruth/)
  })
})
