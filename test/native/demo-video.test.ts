/** Videos in the demo: read only as far as somebody looks, kept once, given back; with made frames, and with a real file where there is ffmpeg. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { HttpProblem } from '../../lib/demo/http-problem.ts'
import { StoredBytes } from '../../lib/demo/stored-bytes.ts'
import { VideoSource, type OpenVideo } from '../../lib/demo/video-source.ts'
import { SiamError } from '../../lib/errors.ts'
import { loadAddon } from '../../lib/native/load.ts'
import type { PixelFrame } from '../../lib/tracking/frame.ts'
import { ask, demoServer, demoTrackers, Tab, upload } from '../helpers/demo-server.ts'
import { ffmpegForTests } from '../helpers/ffmpeg.ts'
import { shared } from '../helpers/shared.ts'

const ffmpeg = await ffmpegForTests()
let dir: string
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'siam-demo-video-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

/** Frames of one grey level each, which says their number; counts what was decoded, opened and ended. */
function madeVideo(frames: number, broken = Number.POSITIVE_INFINITY): { open: OpenVideo; decoded: number; opened: number; ended: number } {
  const counts = { decoded: 0, opened: 0, ended: 0, open: (async () => ({ width: 32, height: 24, fps: 25, estimatedFrames: frames + 3, [Symbol.asyncIterator]: decode })) as OpenVideo }
  async function* decode(): AsyncGenerator<PixelFrame, void, undefined> {
    counts.opened += 1
    try {
      for (let k = 0; k < frames; k += 1) {
        if (k === broken) throw new SiamError('ERR_DATA', 'the video cannot be decoded')
        counts.decoded += 1
        yield { data: new Uint8Array(32 * 24 * 3).fill(10 * k), width: 32, height: 24, channels: 3, format: 'rgb' }
      }
    } finally {
      counts.ended += 1
    }
  }
  return counts
}

const levelOf = (file: string | undefined): number => loadAddon().decodeFrame(readFileSync(file!)).data[0]!
const open = (video: { open: OpenVideo }, stored = new StoredBytes(1 << 20), onClose?: () => Promise<void>): Promise<VideoSource> =>
  VideoSource.open('clip.mp4', { name: 'clip', openVideo: video.open, folder: path.join(dir, 'frames'), stored, onClose })

describe('a video as a source', () => {
  it('is decoded only as far as somebody looks, once, and its length is known at its end', async () => {
    const video = madeVideo(5)
    const source = await open(video)
    expect([video.decoded, video.ended, source.frames, source.estimatedFrames, source.fps, await source.size()]).toEqual([1, 1, undefined, 8, 25, { width: 32, height: 24 }])
    const leave = source.use()
    // In any order, and at the same time.
    const files = await Promise.all([2, 0, 1, 2].map((k) => source.frame(k)))
    expect(files.map(levelOf)).toEqual([20, 0, 10, 20])
    expect([video.decoded, video.opened]).toEqual([1 + 3, 2])
    expect(await source.frame(5)).toBeUndefined()
    expect([source.frames, video.ended]).toEqual([5, 2])
    expect(levelOf(await source.frame(4))).toBe(40)
    leave()
    await source.close()
  })

  it('loses no frame that there was no room for', async () => {
    const video = madeVideo(4)
    const stored = new StoredBytes(1 << 20)
    const source = await open(video, stored)
    const leave = source.use()
    const others = stored.limit - stored.used
    stored.take(others)
    await expect(source.frame(1)).rejects.toMatchObject({ status: 413 })
    stored.give(others)
    expect(levelOf(await source.frame(1))).toBe(10)
    expect(levelOf(await source.frame(3))).toBe(30)
    leave()
    await source.close()
  })

  it('stops decoding when the last tab leaves, and goes on where it was', async () => {
    const video = madeVideo(6)
    const source = await open(video)
    const leave = [source.use(), source.use()]
    await source.frame(2)
    leave[0]!()
    leave[0]!()
    await source.frame(3)
    expect([video.opened, video.ended]).toEqual([2, 1])
    leave[1]!()
    await expect.poll(() => video.ended, { timeout: 60_000 }).toBe(2)
    const again = source.use()
    expect(levelOf(await source.frame(4))).toBe(40)
    again()
    await source.close()
  })

  it('tells what breaks, keeps what came before, and tries again when asked again', async () => {
    const video = madeVideo(5, 3)
    const source = await open(video)
    const leave = source.use()
    for (let again = 0; again < 2; again += 1) await expect(source.frame(4)).rejects.toMatchObject({ code: 'ERR_DATA' })
    expect(levelOf(await source.frame(2))).toBe(20)
    leave()
    await source.close()
  })

  it('keeps no more on disk than it may, and gives back all of it', async () => {
    const stored = new StoredBytes(2000)
    let closed = 0
    const source = await open(madeVideo(50), stored, async () => void (closed += 1))
    const leave = source.use()
    await expect(source.frame(49)).rejects.toThrow(HttpProblem)
    expect(stored.used).toBeGreaterThan(0)
    expect(stored.used).toBeLessThanOrEqual(2000)
    expect(source.storedBytes).toBe(stored.used)
    leave()
    await source.close()
    await source.close()
    expect([stored.used, closed, existsSync(path.join(dir, 'frames'))]).toEqual([0, 1, false])
  })

  it('that cannot be opened, or has no frame, leaves nothing', async () => {
    let closed = 0
    const onClose = async (): Promise<void> => void (closed += 1)
    await expect(open({ open: () => Promise.reject(new SiamError('ERR_SETUP', 'no ffmpeg')) }, undefined, onClose)).rejects.toMatchObject({ code: 'ERR_SETUP' })
    await expect(open(madeVideo(0), undefined, onClose)).rejects.toMatchObject({ code: 'ERR_DATA', message: 'there is no frame in the video' })
    expect([closed, readdirSync(dir)]).toEqual([2, []])
  })
})

describe('an uploaded video', () => {
  let trackers: Awaited<ReturnType<typeof demoTrackers>>
  const before = process.env.SIAMFCPP_FFMPEG
  beforeAll(async () => {
    trackers = await demoTrackers()
  })
  afterEach(() => {
    if (before === undefined) delete process.env.SIAMFCPP_FFMPEG
    else process.env.SIAMFCPP_FFMPEG = before
  })
  afterAll(() => trackers.dispose())

  it('without ffmpeg is refused with what to do about it', async () => {
    process.env.SIAMFCPP_FFMPEG = '/nowhere/ffmpeg'
    const demo = await demoServer(trackers)
    try {
      const answer = await upload(demo, 'clip', [{ name: 'clip.mp4', bytes: Buffer.from('\0\0\0\x20ftypisom\0\0\0\0isom', 'latin1') }])
      expect(answer.status).toBe(500)
      expect(answer.json().error).toMatchObject({ code: 'ERR_SETUP', hint: expect.stringMatching(/install ffmpeg/) })
      expect(readdirSync(demo.folder)).toEqual([])
    } finally {
      await demo.close()
    }
  })

  it.skipIf(ffmpeg === undefined)('is tracked in, back and forth, with the same boxes', async () => {
    process.env.SIAMFCPP_FFMPEG = ffmpeg
    const file = path.join(dir, 'clip.mp4')
    const made = spawnSync(ffmpeg!, ['-v', 'error', '-y', '-framerate', '10', '-i', path.join(shared('data', 'vot-bag'), '%08d.jpg'), '-frames:v', '6', '-pix_fmt', 'yuv420p', file], { encoding: 'utf8' })
    expect(made.stderr).toBe('')
    const demo = await demoServer(trackers, { sources: [file] })
    try {
      const broken = await upload(demo, 'broken', [{ name: 'broken.mp4', bytes: readFileSync(file).subarray(0, 200) }])
      expect(broken.json().error).toMatchObject({ code: 'ERR_DATA', message: expect.stringMatching(/no video that can be decoded/) })
      const { source } = (await upload(demo, 'clip.mp4', [{ name: 'clip.mp4', bytes: readFileSync(file) }])).json()
      expect(source).toMatchObject({ name: 'clip.mp4', kind: 'video', frames: null, estimate: 6 })
      const tab = new Tab(demo)
      await tab.next('hello')
      tab.send({ op: 'open', source: source.id })
      expect(await tab.next('opened')).toMatchObject({ width: 480, height: 360, fps: 10 })
      for (const run of [1, 2]) {
        tab.send({ op: 'init', run, frame: 0, box: [312.6, 146.9, 106.1, 96.4] })
        await tab.next('box')
        tab.send({ op: 'track', run, through: 99 })
        expect(await tab.next('end')).toEqual({ type: 'end', run, frames: 6 })
      }
      const boxes = tab.messages.filter((message) => message.type === 'box')
      expect(boxes.map(({ frame }) => frame)).toEqual([0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5])
      expect(boxes.slice(6).map(({ box }) => box)).toEqual(boxes.slice(0, 6).map(({ box }) => box))
      expect((await ask(demo, 'GET', `/api/sources/${source.id}/frames/5`)).headers['content-type']).toBe('image/jpeg')
      await tab.close()
    } finally {
      await demo.close()
    }
    expect(existsSync(demo.folder)).toBe(false)
  })
})
