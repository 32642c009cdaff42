/** Which files `siamtrain track` takes as frames. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { frameFiles } from '../../lib/tracking/frame-files.ts'

describe('frameFiles', () => {
  let dir: string
  const inDir = (...names: string[]): string[] => names.map((name) => path.join(dir, name))

  beforeAll(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'siam-frames-'))
    for (const folder of ['a', 'b', 'empty', 'c[1]']) mkdirSync(path.join(dir, folder))
    for (const name of ['a/10.jpg', 'a/2.jpg', 'a/1.JPEG', 'a/3.png', 'a/4.WebP', 'a/groundtruth.txt', 'b/1.jpg', 'clip.mp4', 'a/.hidden.jpg', 'c[1]/x.jpg']) writeFileSync(path.join(dir, name), '')
  })
  afterAll(() => rmSync(dir, { recursive: true, force: true }))

  it('takes the pictures of a folder (not hidden ones), numbers in names as numbers', async () => {
    expect(await frameFiles(inDir('a'))).toEqual(inDir('a/1.JPEG', 'a/2.jpg', 'a/3.png', 'a/4.WebP', 'a/10.jpg'))
  })

  it('takes patterns in any part of the path', async () => {
    expect(await frameFiles([path.join(dir, 'a', '*.jpg')])).toEqual(inDir('a/2.jpg', 'a/10.jpg'))
    expect(await frameFiles([path.join(dir, '?', '1.*')])).toEqual(inDir('a/1.JPEG', 'b/1.jpg'))
  })

  it('takes files in the order given, special characters and all', async () => {
    expect(await frameFiles(inDir('b/1.jpg', 'a/2.jpg'))).toEqual(inDir('b/1.jpg', 'a/2.jpg'))
    expect(await frameFiles(inDir('c[1]'))).toEqual(inDir('c[1]/x.jpg'))
  })

  it.each([
    ['empty', 'ERR_DATA', /holds no frame/],
    ['missing', 'ERR_DATA', /no such file or folder/],
    ['a/*.bmp', 'ERR_DATA', /no file matches/],
    ['clip.mp4', 'ERR_ARGUMENT', /a video/],
  ])('refuses %s', async (name, code, message) => {
    await expect(frameFiles(inDir(name))).rejects.toMatchObject({ code, message: expect.stringMatching(message), file: path.join(dir, name) })
  })
})
