/** The demo's server as strangers and pages meet it: who may ask, what is never opened, uploads, and what stays up. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Demo } from '../../lib/demo/server.ts'
import { defaultLimits } from '../../lib/demo/limits.ts'
import { StoredBytes } from '../../lib/demo/stored-bytes.ts'
import type { TrackerSupply } from '../../lib/demo/trackers.ts'
import { UploadStore } from '../../lib/demo/uploads.ts'
import { openVideo } from '../../lib/tracking/video/index.ts'
import { ask, demoServer, demoTrackers, Tab, upload } from '../helpers/demo-server.ts'
import { shared } from '../helpers/shared.ts'

const bag = (k: number): Buffer => readFileSync(shared('data', 'vot-bag', `${String(k).padStart(8, '0')}.jpg`))

let trackers: TrackerSupply
let demo: Demo
let dir: string
let frames: string

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'siam-demo-test-'))
  frames = path.join(dir, 'frames')
  mkdirSync(frames)
  for (let k = 1; k <= 3; k += 1) symlinkSync(shared('data', 'vot-bag', `${String(k).padStart(8, '0')}.jpg`), path.join(frames, `${k}.jpg`))
  trackers = await demoTrackers()
  demo = await demoServer(trackers, { sources: [frames], limits: { uploadBytes: 200_000, storedBytes: 300_000, uploads: 3, uploadFiles: 20 } })
})
afterAll(async () => {
  await demo.close()
  trackers.dispose()
  rmSync(dir, { recursive: true, force: true })
})

/** Of waits for what must come, on however busy a machine. */
const patient = { timeout: 60_000 }

const sources = async (): Promise<{ id: string; name: string; uploaded: boolean }[]> => ((await ask(demo, 'GET', '/api/sources')).json() as { sources: { id: string; name: string; uploaded: boolean }[] }).sources
/** Whatever happened before, the page is still served. */
const stillUp = async (): Promise<void> => expect((await ask(demo, 'GET', '/')).status).toBe(200)

describe('who may ask', () => {
  it('is reachable at the loopback interface, under its loopback names', async () => {
    for (const host of ['127.0.0.1', 'localhost', 'LOCALHOST', '[::1]']) {
      expect((await ask(demo, 'GET', '/', { headers: { Host: `${host}:${demo.port}` } })).status, host).toBe(200)
    }
  })

  it.each([
    ['a foreign name that leads here (DNS rebinding)', { Host: 'evil.example:80' }],
    ['a foreign name with our port', (port: number) => ({ Host: `evil.example:${port}` })],
    ['a name that only begins like ours', (port: number) => ({ Host: `localhost.evil.example:${port}` })],
    ['another port', { Host: '127.0.0.1:1' }],
    ['our name without the port', { Host: '127.0.0.1' }],
    ['another page that embeds frames', { 'Sec-Fetch-Site': 'cross-site' }],
    ['a page on another port of this machine', { 'Sec-Fetch-Site': 'same-site' }],
    ['another origin', { Origin: 'http://evil.example' }],
    ['no origin that can be named', { Origin: 'null' }],
  ] as const)('refuses %s', async (_, headers) => {
    const given = typeof headers === 'function' ? headers(demo.port) : headers
    for (const url of ['/', '/api/sources']) {
      const answer = await ask(demo, 'GET', url, { headers: given })
      expect(answer.status).toBe(403)
      expect(answer.json().error).toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/127\.0\.0\.1|another page/) })
    }
    const tab = new Tab(demo, given as Record<string, string>)
    expect(await tab.closed).toBe(1006)
    expect(tab.messages).toEqual([])
  })

  it.each(['POST', 'PUT', 'DELETE'])('refuses a %s that does not say where it comes from, or from another port', async (method) => {
    for (const Origin of [undefined, 'http://127.0.0.1:1', `https://127.0.0.1:${demo.port}`, `http://localhost:${demo.port}`]) {
      expect((await ask(demo, method, '/api/uploads', { headers: { Origin }, body: '{}' })).status, String(Origin)).toBe(403)
    }
  })

  it('says nothing to a web socket without an origin, or at another address', async () => {
    const { socket, messages, closed } = new Tab(demo, { Origin: '' })
    expect(await closed).toBe(1006)
    expect([messages, socket.readyState]).toEqual([[], 3])
  })

  it('sends headers that keep foreign scripts out and frames in', async () => {
    const { headers } = await ask(demo, 'GET', '/')
    expect(headers['content-security-policy']).toMatch(/default-src 'none'; script-src 'self'; .*frame-ancestors 'none'/)
    expect(headers['content-security-policy']).not.toMatch(/unsafe/)
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'cross-origin-resource-policy': 'same-origin', 'referrer-policy': 'no-referrer' })
    expect(headers).not.toHaveProperty('access-control-allow-origin')
  })
})

describe('paths', () => {
  it.each(['/../../etc/passwd', '/..%2f..%2fetc/passwd', '/%2e%2e/package.json', '//etc/passwd', '/etc/passwd', '/style.css/..', '/.', '/index.html/', '/api/sources/../../etc/passwd', '/lib/demo/server.ts', '/api', '/api/', '/\0', 'http://evil.example/', '*'])(
    '%j is nothing',
    async (url) => {
      const answer = await ask(demo, 'GET', url.replaceAll('\0', '%00'))
      expect(answer.status).toBe(404)
      expect(answer.json().error.message).toMatch(/nothing at this address/)
      expect(answer.body.toString()).not.toMatch(/root:|<title>/)
    },
  )

  it('a source is known by its id and frame number alone', async () => {
    const [source] = await sources()
    const id = source!.id
    expect((await ask(demo, 'GET', `/api/sources/${id}/frames/2`)).body).toEqual(bag(3))
    for (const [url, status] of [[`/api/sources/${id}/frames/3`, 404], [`/api/sources/${id}/frames/-1`, 404], [`/api/sources/${id}/frames/1.jpg`, 404], [`/api/sources/${id}/frames/..`, 404], [`/api/sources/${'0'.repeat(18)}/frames/0`, 404], [`/api/sources/${id}`, 405]] as const) {
      expect((await ask(demo, 'GET', url)).status, url).toBe(status)
    }
    expect((await ask(demo, 'DELETE', `/api/sources/${id}`)).status).toBe(403)
  })

  it('serves each file of the page, and folders not at all', async () => {
    const html = (await ask(demo, 'GET', '/')).body.toString()
    for (const [, name] of html.matchAll(/(?:href|src)="([\w.-]+)"/g)) expect((await ask(demo, 'GET', `/${name}`)).status, name).toBe(200)
    expect((await ask(demo, 'GET', '/app.js?v=1')).headers['content-type']).toBe('text/javascript; charset=utf-8')
    expect((await ask(demo, 'POST', '/')).status).toBe(405)
  })
})

describe('uploads', () => {
  const folder = (): string[] => readdirSync(demo.folder)
  const nothingIsLeft = async (): Promise<void> => {
    for (const source of await sources()) if (source.uploaded) expect((await ask(demo, 'DELETE', `/api/sources/${source.id}`)).status).toBe(204)
    await expect.poll(folder, patient).toEqual([])
  }
  afterEach(nothingIsLeft)

  it('makes a source of images, in the order of their names, under names of its own', async () => {
    const answer = await upload(demo, 'mine', [{ name: 'b/10.jpg', bytes: bag(2) }, { name: '../../2.jpg', bytes: bag(1) }])
    expect(answer.status).toBe(201)
    const { source } = answer.json()
    expect(source).toMatchObject({ name: 'mine', kind: 'images', uploaded: true, frames: 2 })
    expect((await ask(demo, 'GET', `/api/sources/${source.id}/frames/0`)).body).toEqual(bag(1))
    expect((await ask(demo, 'GET', `/api/sources/${source.id}/frames/1`)).body).toEqual(bag(2))
    const [kept] = folder()
    expect(readdirSync(path.join(demo.folder, kept!)).sort()).toEqual(['00000001', '00000002'])
    expect(existsSync(path.join(demo.folder, '..', '2.jpg'))).toBe(false)
    expect((await ask(demo, 'DELETE', `/api/sources/${source.id}`)).status).toBe(204)
    expect((await ask(demo, 'GET', `/api/sources/${source.id}/frames/0`)).status).toBe(404)
  })

  it.each([
    ['text with a video\'s name', [{ name: 'film.mp4', bytes: Buffer.from('hello, I am no video at all') }], 415, /film\.mp4 is no video/],
    ['a playlist that names other files', [{ name: 'film.mp4', bytes: Buffer.from('#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n') }], 415, /film\.mp4 is no video/],
    ['text with an image\'s name', [{ name: '1.jpg', bytes: Buffer.from('hello') }], 415, /1\.jpg is no image/],
    ['an image with a video\'s name', [{ name: '1.mp4', bytes: bag(1) }], 415, /1\.mp4 is no video/],
    ['text', [{ name: 'notes.txt', bytes: Buffer.from('hello') }], 415, /notes\.txt is neither a video nor an image/],
    ['the beginning of an image', [{ name: '1.jpg', bytes: bag(1).subarray(0, 40) }], 415, /1\.jpg.*no picture that can be read/],
    ['an empty file', [{ name: '1.jpg', bytes: Buffer.alloc(0) }], 415, /1\.jpg is empty/],
    ['a video with images', [{ name: '1.jpg', bytes: bag(1) }, { name: 'film.mp4', bytes: bag(1) }], 415, /film\.mp4 is a video, and 1 more file/],
    ['too many files', Array.from({ length: 21 }, (_, i) => ({ name: `${i}.jpg`, bytes: Buffer.from('x') })), 413, /21 files; at most 20/],
    ['too many bytes', [{ name: '1.jpg', bytes: Buffer.alloc(200_001) }], 413, /at most 195.3 kiB/],
  ])('refuses %s, in words, and keeps nothing', async (_, files, status, message) => {
    const answer = await upload(demo, 'x', files)
    expect(answer.status).toBe(status)
    const { error } = answer.json()
    expect(error.message).toMatch(message)
    expect(error.hint).toMatch(/./)
    expect(await sources()).toHaveLength(1)
    await expect.poll(folder, patient).toEqual([])
    await stillUp()
  })

  it('takes no more than was announced', async () => {
    const { upload: id } = (await ask(demo, 'POST', '/api/uploads', { body: JSON.stringify({ name: 'x', files: [{ name: '1.jpg', size: 5000 }] }) })).json()
    const answer = await ask(demo, 'PUT', `/api/uploads/${id}/files/0`, { body: bag(1) })
    expect([answer.status, answer.json().error.message]).toEqual([413, '1.jpg has more bytes than were announced'])
    await expect.poll(folder, patient).toEqual([])
    expect((await ask(demo, 'POST', `/api/uploads/${id}/finish`)).status).toBe(404)
  })

  it('forgets an upload that breaks off', async () => {
    const { upload: id } = (await ask(demo, 'POST', '/api/uploads', { body: JSON.stringify({ name: 'x', files: [{ name: '1.jpg', size: bag(1).length }] }) })).json()
    const socket = connect(demo.port, '127.0.0.1')
    await new Promise((resolve) => socket.once('connect', resolve))
    socket.write(`PUT /api/uploads/${id}/files/0 HTTP/1.1\r\nHost: 127.0.0.1:${demo.port}\r\nOrigin: http://127.0.0.1:${demo.port}\r\nContent-Length: ${bag(1).length}\r\n\r\n`)
    socket.write(bag(1).subarray(0, 9000))
    // Its first bytes are on the disk: it was under way.
    await expect.poll(() => existsSync(path.join(demo.folder, id, '00000001')), patient).toBe(true)
    socket.destroy()
    await expect.poll(folder, patient).toEqual([])
    expect((await ask(demo, 'POST', `/api/uploads/${id}/finish`)).status).toBe(404)
    await stillUp()
  })

  it('forgets an upload of which nothing more comes', async () => {
    const alone = path.join(dir, 'uploads')
    mkdirSync(alone)
    const stored = new StoredBytes(10_000)
    const store = new UploadStore({ folder: alone, limits: defaultLimits, stored, openVideo, idleMs: 1 })
    const { upload: id } = await store.announce({ name: 'x', files: [{ name: '1.jpg', size: 5000 }] })
    await expect.poll(() => stored.used, patient).toBe(0)
    expect(readdirSync(alone)).toEqual([])
    await expect(store.finish(id)).rejects.toMatchObject({ status: 404 })
  })

  it('says what is missing, and forgets what was cancelled', async () => {
    const { upload: id } = (await ask(demo, 'POST', '/api/uploads', { body: JSON.stringify({ name: 'x', files: [{ name: '1.jpg', size: 5000 }] }) })).json()
    const finish = await ask(demo, 'POST', `/api/uploads/${id}/finish`)
    expect([finish.status, finish.json().error.message]).toEqual([409, '1.jpg has not arrived'])
    expect((await ask(demo, 'PUT', `/api/uploads/${id}/files/7`, { body: bag(1) })).status).toBe(404)
    expect((await ask(demo, 'DELETE', `/api/uploads/${id}`)).status).toBe(204)
  })

  it('keeps no more uploads and bytes than it may, and takes new ones when old ones go', async () => {
    const one = { name: '1.jpg', bytes: bag(1) }
    const announce = (size: number) => ask(demo, 'POST', '/api/uploads', { body: JSON.stringify({ name: 'x', files: [{ name: '1.jpg', size }] }) })
    expect((await upload(demo, 'a', [one])).status).toBe(201)
    const big = await announce(190_000)
    expect(big.status).toBe(201)
    const more = await announce(190_000)
    expect([more.status, more.json().error.message]).toEqual([413, expect.stringMatching(/keeps at most 293 kiB of uploads/)])
    expect((await ask(demo, 'DELETE', `/api/uploads/${big.json().upload}`)).status).toBe(204)
    const others = [await announce(10), await announce(10)]
    const fourth = await announce(10)
    expect([fourth.status, fourth.json().error.message]).toEqual([413, 'The demo keeps at most 3 uploads'])
    for (const other of others) await ask(demo, 'DELETE', `/api/uploads/${other.json().upload}`)
  })

  it.each([
    ['no JSON', '{', /is no JSON/],
    ['another form', '{"name":"x","files":[{"name":"a.jpg","size":-1}]}', /Expected \{ name, files/],
    ['no file', '{"name":"x","files":[]}', /Expected \{ name, files/],
  ])('an announcement that is %s is told so', async (_, body, message) => {
    const answer = await ask(demo, 'POST', '/api/uploads', { body })
    expect(answer.status).toBe(400)
    expect(answer.json().error.message).toMatch(message)
  })

  it('a form of another page cannot announce, and a flood is cut', async () => {
    expect((await ask(demo, 'POST', '/api/uploads', { body: '{}', headers: { 'Content-Type': 'text/plain' } })).status).toBe(415)
    const answer = await ask(demo, 'POST', '/api/uploads', { body: `"${'x'.repeat(9 << 20)}"` })
    expect(answer.status).toBe(413)
    await stillUp()
  })
})

it('frames that are no JPEG come as JPEG; what cannot be read says its name, not its place', async () => {
  const { loadAddon } = await import('../../lib/native/load.ts')
  const mixed = path.join(dir, 'mixed')
  mkdirSync(mixed)
  const { PNG } = await import('pngjs')
  const png = new PNG({ width: 32, height: 24 })
  png.data.fill(200)
  writeFileSync(path.join(mixed, '1.png'), PNG.sync.write(png))
  writeFileSync(path.join(mixed, '2.png'), 'broken')
  const other = await demoServer(trackers, { sources: [mixed] })
  try {
    const { id } = (await ask(other, 'GET', '/api/sources')).json().sources[0]
    const first = await ask(other, 'GET', `/api/sources/${id}/frames/0`)
    expect(first.headers['content-type']).toBe('image/jpeg')
    expect(loadAddon().decodeFrame(first.body)).toMatchObject({ width: 32, height: 24 })
    const second = await ask(other, 'GET', `/api/sources/${id}/frames/1`)
    expect(second.status).toBe(422)
    expect(second.json().error).toMatchObject({ code: 'ERR_DATA', message: expect.stringMatching(/^2\.png: /) })
    expect(second.body.toString()).not.toContain(dir)
  } finally {
    await other.close()
  }
  expect(existsSync(other.folder)).toBe(false)
})
