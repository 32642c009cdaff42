/** `siamtrain track` on a video and on a pipe; overlays as an animation and a video. */
import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os, { tmpdir } from 'node:os'
import path from 'node:path'
import { PassThrough } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openVideo } from '../../lib/index.ts'
import { GifWriter } from '../../lib/tracking/animation.ts'
import { openFrames } from '../../lib/tracking/frame-source.ts'
import { framePixels } from '../../lib/tracking/overlay.ts'
import { parseRawFormat } from '../../lib/tracking/raw-frames.ts'
import { VideoWriter } from '../../lib/tracking/video/index.ts'
import { ffmpegForTests } from '../helpers/ffmpeg.ts'
import { runCli } from '../helpers/run-cli.ts'
import { shared } from '../helpers/shared.ts'

const ffmpeg = await ffmpegForTests()
const frames = 8
const settings = ['--config', shared('reference-configs', 'train', 'got10k', 'siamfcpp_tinyconv-trn.yaml'), '--weights', shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl'), '--init', '312.6,146.9,106.1,96.4', '--quiet']
const bag = (k: number): string => shared('data', 'vot-bag', `${String(k).padStart(8, '0')}.jpg`)

let dir: string
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'siam-video-'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))
const at = (name: string): string => path.join(dir, name)

function encode(file: string, ...more: string[]): string {
  const { status, stderr } = spawnSync(ffmpeg!, ['-v', 'error', '-y', '-framerate', '10', '-i', path.join(shared('data', 'vot-bag'), '%08d.jpg'), '-frames:v', String(frames), ...more, at(file)], { encoding: 'utf8' })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return at(file)
}

/** x,y,w,h of each line. */
const boxesOf = (text: string): number[][] => text.trim().split('\n').map((line) => line.split(',').map(Number))

describe.skipIf(ffmpeg === undefined)('a video', () => {
  beforeAll(() => {
    process.env.SIAMFCPP_FFMPEG = ffmpeg
  })
  afterAll(() => {
    delete process.env.SIAMFCPP_FFMPEG
  })

  it('without loss gives the boxes of its frames, and an overlay as a video', async () => {
    // Lossless RGB: the pixels are those of the images.
    const film = encode('lossless.mkv', '-c:v', 'ffv1', '-pix_fmt', 'bgr0')
    const drawn = at('drawn.mp4')
    const ofFilm = await runCli(['track', film, ...settings, '--overlay', drawn])
    expect({ code: ofFilm.code, stderr: ofFilm.stderr }).toEqual({ code: 0, stderr: '' })
    const ofImages = await runCli(['track', ...Array.from({ length: frames }, (_, k) => bag(k + 1)), ...settings])
    const expected = boxesOf(ofImages.stdout)
    // ffmpeg's JPEG decoder rounds otherwise than libjpeg-turbo by a level here and there: as much as another bilinear (golden/README.md).
    for (const [k, box] of boxesOf(ofFilm.stdout).entries()) for (const [i, value] of box.entries()) expect(Math.abs(value - expected[k]![i]!)).toBeLessThan(0.5)
    expect(boxesOf(ofFilm.stdout)).toHaveLength(frames)

    const video = await openVideo(drawn)
    expect(video).toMatchObject({ width: 480, height: 360, fps: 10, estimatedFrames: frames })
    let count = 0
    for await (const frame of video) {
      const { data, width } = await framePixels(frame)
      const [x, y, w] = boxesOf(ofFilm.stdout)[count]!
      // Green on the upper edge of the box.
      const pixel = (Math.round(y!) * width + Math.round(x! + w! / 2)) * 3
      expect(data[pixel + 1]! - data[pixel + 2]!).toBeGreaterThan(60)
      count += 1
    }
    expect(count).toBe(frames)
    expect(readdirSync(dir).filter((name) => name.includes('.tmp'))).toEqual([])
  })

  it('whose ffmpeg is killed is an error at the next frames, and no file', async () => {
    const writer = await VideoWriter.create(at('killed.mp4'), { width: 16, height: 16, fps: 25 })
    const picture = { data: new Uint8Array(16 * 16 * 3), width: 16, height: 16 }
    await writer.write(picture)
    const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ')
    const child = children.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('killed'))
    process.kill(Number(child), 'SIGKILL')
    await expect((async () => {
      for (;;) {
        await writer.write(picture)
        await turn()
      }
    })()).rejects.toMatchObject({ code: 'ERR_IO', message: expect.stringContaining('the video cannot be written') })
    await writer.abort()
    expect(readdirSync(dir).filter((name) => name.includes('killed'))).toEqual([])
  })

  it('removes what a killed process left of one', async () => {
    const left = `${at('left.mp4')}.tmp-${os.hostname().replace(/[^A-Za-z0-9_.]/g, '_')}-999999999-0-0.mp4`
    writeFileSync(left, 'half a video')
    const writer = await VideoWriter.create(at('left.mp4'), { width: 16, height: 16, fps: 25 })
    await writer.abort()
    expect(existsSync(left)).toBe(false)
  })

  it('that cannot take its name is an error, and leaves no other file', async () => {
    mkdirSync(at('folder.mp4'))
    const writer = await VideoWriter.create(at('folder.mp4'), { width: 16, height: 16, fps: 25 })
    await writer.write({ data: new Uint8Array(16 * 16 * 3), width: 16, height: 16 })
    await expect(writer.close()).rejects.toMatchObject({ code: 'ERR_IO', file: at('folder.mp4') })
    expect(readdirSync(dir).filter((name) => name.includes('folder'))).toEqual(['folder.mp4'])
  })

  it('may be left in the middle, and ended by a signal', async () => {
    const film = encode('left.mp4')
    for await (const frame of await openVideo(film)) {
      expect(frame).toMatchObject({ width: 480, height: 360, channels: 3, format: 'rgb' })
      break
    }
    const controller = new AbortController()
    const reading = (async () => {
      for await (const _ of await openVideo(film, { signal: controller.signal })) controller.abort(new Error('enough'))
    })()
    await expect(reading).rejects.toThrow('enough')
  })

  it('that is cut short gives the frames there are, and a warning', async () => {
    const film = encode('whole.mkv', '-c:v', 'mpeg4', '-q:v', '2')
    const bytes = readFileSync(film)
    const cut = at('cut.mkv')
    writeFileSync(cut, Buffer.concat([bytes.subarray(0, Math.floor(bytes.length * 0.45)), Buffer.alloc(2000, 0xff)]))
    const { code, stdout, stderr } = await runCli(['track', cut, ...settings.filter((word) => word !== '--quiet')])
    expect(code).toBe(0)
    expect(stderr).toMatch(/Warning: the video is damaged; \d+ frames were decoded: /)
    const boxes = boxesOf(stdout)
    expect(boxes.length).toBeGreaterThan(0)
    expect(boxes.length).toBeLessThan(frames)
  })

  it.each([
    ['no video at all', 'words.mp4', () => Buffer.from('these are words'), /^siamtrain: ERR_DATA .*words\.mp4: this is no video that can be decoded/],
    ['a playlist that names other files', 'list.mp4', () => Buffer.from(`ffconcat version 1.0\nfile '${bag(1)}'\n`), /^siamtrain: ERR_DATA .*list\.mp4: this is no video/],
    ['a stream of the network', 'live.mp4', () => Buffer.from('#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n'), /^siamtrain: ERR_DATA .*live\.mp4: this is no video/],
  ])('%s is refused', async (_, name, contents, message) => {
    writeFileSync(at(name), contents())
    const { code, stdout, stderr } = await runCli(['track', at(name), ...settings])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(message)
  })
})

it('a video without ffmpeg is an error that says what to do', async () => {
  writeFileSync(at('any.mp4'), '')
  for (const named of [at('nowhere'), process.execPath]) {
    const { code, stderr } = await runCli(['track', at('any.mp4'), ...settings], { env: { ...process.env, SIAMFCPP_FFMPEG: named } })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^siamtrain: ERR_SETUP .*\(install ffmpeg .*SIAMFCPP_FFMPEG/)
  }
})

it('frames of a pipe give the boxes of their pixels, and an overlay as an animation', async () => {
  const pictures = await Promise.all(Array.from({ length: 4 }, (_, k) => framePixels(readFileSync(bag(k + 1)))))
  writeFileSync(at('raw.bgr'), Buffer.concat(pictures.map(({ data }) => data)))
  const gif = at('drawn.gif')
  const run = (form: string, ...more: string[]) => {
    const input = openSync(at('raw.bgr'), 'r')
    try {
      return spawnSync(process.execPath, [path.resolve(import.meta.dirname, '../helpers/siamtrain.ts'), 'track', '-', '--raw', form, ...settings, ...more], { encoding: 'utf8', stdio: [input, 'pipe', 'pipe'] })
    } finally {
      closeSync(input)
    }
  }
  const { status, stdout, stderr } = run('480x360', '--overlay', gif)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const ofImages = await runCli(['track', ...Array.from({ length: 4 }, (_, k) => bag(k + 1)), ...settings])
  expect(stdout).toBe(ofImages.stdout)
  const bytes = readFileSync(gif)
  expect(bytes.subarray(0, 6).toString('latin1')).toBe('GIF89a')
  expect([bytes.readUInt16LE(6), bytes.readUInt16LE(8)]).toEqual([480, 360])
  // One graphic control extension a frame, with a delay of 1/25 s.
  const controls = [...bytes.keys()].filter((k) => bytes.readUIntBE(k < bytes.length - 6 ? k : 0, 3) === 0x21f904 && bytes.readUInt16LE(k + 4) === 4)
  expect(controls).toHaveLength(4)

  const cut = run('480x361')
  expect(cut.status).toBe(1)
  expect(cut.stderr).toMatch(/ERR_DATA the stream ends inside of frame 3: \d+ of the 519840 bytes of a 480x361 frame/)
})

it.each([['fast', 5000, 20], ['slow', 0.001, 655_350]])('an animation that is too %s for the format has the delay nearest to it', async (name, fps, milliseconds) => {
  const gif = new GifWriter(at(`${name}.gif`), fps)
  await gif.write({ data: new Uint8Array(3), width: 1, height: 1 })
  await gif.close()
  const bytes = readFileSync(at(`${name}.gif`))
  expect(10 * bytes.readUInt16LE(bytes.indexOf(Buffer.from([0x21, 0xf9, 0x04])) + 4)).toBe(milliseconds)
})

it('a signal ends the wait for frames that do not come', async () => {
  const input = new PassThrough()
  const controller = new AbortController()
  const { frames: stalled } = await openFrames(['-'], { raw: parseRawFormat('2x1:gray'), input, signal: controller.signal })
  const read = (async () => {
    for await (const _ of stalled) controller.abort(new Error('enough'))
  })()
  input.write(Buffer.alloc(3))
  await expect(read).rejects.toThrow('enough')
  expect(input.destroyed).toBe(true)
})

it('an animation or video of a run that fails is not there', async () => {
  writeFileSync(at('broken.jpg'), 'no picture')
  const { code } = await runCli(['track', bag(1), bag(2), at('broken.jpg'), ...settings, '--overlay', at('failed.gif')])
  expect(code).toBe(1)
  expect(existsSync(at('failed.gif'))).toBe(false)
})

it.each([
  [['-'], /Expected --raw WIDTHxHEIGHT/],
  [['-', bag(1), '--raw', '2x2'], /Expected standard input \(-\) alone/],
  [[bag(1), '--raw', '2x2'], /Expected the source - \(standard input\) with --raw/],
  [['-', '--raw', '2by2'], /Expected WIDTHxHEIGHT/],
  [[bag(1), '--fps', '0'], /frames a second, from 0.01/],
])('track %j is a wrong call', async (args, message) => {
  const { code, stderr } = await runCli(['track', ...args, ...settings])
  expect(code).toBe(2)
  expect(stderr).toMatch(message)
})
