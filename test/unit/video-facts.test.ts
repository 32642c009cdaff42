/** What ffmpeg prints about a file → size, rate, length. The texts are ffmpeg's, of several versions. */
import { describe, expect, it } from 'vitest'
import { formats, inputOf, lastWords } from '../../lib/tracking/video/ffmpeg.ts'
import { factsOf } from '../../lib/tracking/video/read.ts'

const mp4 = `Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:bag.mp4':
  Duration: 00:00:02.40, start: 0.000000, bitrate: 3673 kb/s
  Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p(progressive), 480x360, 3670 kb/s, 25 fps, 25 tbr, 12800 tbn (default)
At least one output file must be specified`

describe('factsOf', () => {
  it('reads size, rate and length', () => {
    expect(factsOf(mp4, 'bag.mp4')).toEqual({ width: 480, height: 360, fps: 25, estimatedFrames: 60 })
  })

  it('turns the size of a film that is turned', () => {
    const turned = `${mp4}\n    Side data:\n      displaymatrix: rotation of -90.00 degrees`
    expect(factsOf(turned, 'bag.mp4')).toMatchObject({ width: 360, height: 480 })
    expect(factsOf(turned.replace('-90', '180'), 'bag.mp4')).toMatchObject({ width: 480, height: 360 })
  })

  it('does without what a file does not tell', () => {
    const live = `  Duration: N/A, bitrate: N/A\n  Stream #0:1: Video: vp8, yuv420p(tv, bt470bg/unknown/unknown, progressive), 1920x1080, SAR 1:1 DAR 16:9, 1k tbr, 1k tbn`
    expect(factsOf(live, 'x.webm')).toEqual({ width: 1920, height: 1080, fps: undefined, estimatedFrames: undefined })
    expect(factsOf(live.replace('1k tbr', '1k fps, 1k tbr'), 'x.webm').fps).toBe(1000)
  })

  it('takes no cover picture for a film, and says what is wrong', () => {
    const song = `  Duration: 00:03:00.00\n  Stream #0:0: Audio: mp3, 44100 Hz, stereo\n  Stream #0:1: Video: mjpeg (Baseline), yuvj420p(pc), 600x600 [SAR 1:1 DAR 1:1], 90k tbr, 90k tbn (attached pic)`
    expect(() => factsOf(song, 'a.mp3')).toThrow(/it has no video stream/)
    expect(() => factsOf('[mov,mp4 @ 0x1] moov atom not found\nError opening input file file:x.mp4.\n', 'x.mp4')).toThrow(/no video that can be decoded: moov atom not found$/)
  })
})

it('ffmpeg opens one local file and nothing that names others', () => {
  expect(inputOf('-i odd.mp4')).toEqual(['-protocol_whitelist', 'file', '-format_whitelist', formats, '-i', 'file:-i odd.mp4'])
  for (const risky of ['hls', 'concat', 'dash', 'image2', 'ffmetadata', 'lavfi', 'sdp', 'rtsp']) expect(formats.split(',')).not.toContain(risky)
})

it('lastWords keeps what tells something', () => {
  expect(lastWords('[h264 @ 0x55] error while decoding MB 1 2\nConversion failed!\n')).toBe('error while decoding MB 1 2')
  expect(lastWords('')).toBe('')
})
