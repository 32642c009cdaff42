/** The TraX server with a tracker that moves a box, and a client of its own. */
import net from 'node:net'
import { PassThrough } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import { SiamError } from '../../lib/errors.ts'
import { serveTrax, type TraxOptions } from '../../lib/trax/index.ts'
import { socketTransport } from '../../lib/trax/transport.ts'
import type { Box, Tracker, TrackResult } from '../../lib/tracking/tracker.ts'
import { TraxClient } from '../helpers/trax-client.ts'

/** Moves one pixel to the right a frame; cannot read frames that are called broken. */
class MovingTracker implements Tracker {
  readonly name = 'Moving'
  disposed = false
  readonly calls: string[] = []
  #box: [number, number, number, number] = [0, 0, 1, 1]

  init(frame: unknown, box: Box): Promise<void> {
    this.#see('init', frame)
    this.#box = [...box]
    return Promise.resolve()
  }

  update(frame: unknown): Promise<TrackResult> {
    this.#see('update', frame)
    this.#box = [this.#box[0] + 1, this.#box[1], this.#box[2], this.#box[3]]
    return Promise.resolve({ box: this.#box, score: 0.25 })
  }

  #see(what: string, frame: unknown): void {
    if (frame === 'broken.jpg') throw new SiamError('ERR_DATA', 'is no picture', { file: 'broken.jpg' })
    this.calls.push(`${what} ${typeof frame === 'string' ? frame : 'pixels'}`)
  }

  dispose(): void {
    this.disposed = true
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

interface Session {
  client: TraxClient
  tracker: MovingTracker
  input: PassThrough
  /** How it ended: the result, or the error's message. */
  ended: Promise<string>
}

const open: PassThrough[] = []
afterEach(() => open.splice(0).forEach((stream) => stream.destroy()))

function serve(options: Partial<TraxOptions> = {}): Session {
  const [input, output] = [new PassThrough(), new PassThrough()]
  open.push(input, output)
  const tracker = new MovingTracker()
  const write = (text: string): Promise<void> => new Promise((resolve) => output.write(text, () => resolve()))
  const ended = serveTrax(tracker, input, { name: 'Moving', identifier: 'moving 1', write, ...options }).catch((error: unknown) => (error as Error).message)
  void ended.then(() => output.end())
  return { client: new TraxClient(output, (text) => void input.write(text)), tracker, input, ended }
}

describe('a session', () => {
  it('says hello with what it can do', async () => {
    const { client, ended } = serve({ description: 'moves "right"', family: 'none' })
    const hello = await client.reply()
    expect(hello?.line).toMatch(/^@@TRAX:hello "trax\.version=3" /)
    expect([hello?.type, hello?.args]).toEqual(['hello', []])
    expect(hello?.properties).toEqual({
      'trax.version': '3',
      'trax.name': 'Moving',
      'trax.identifier': 'moving 1',
      'trax.description': 'moves "right"',
      'trax.family': 'none',
      'trax.image': 'path;memory;buffer;',
      'trax.region': 'rectangle;polygon;',
      'trax.channels': 'color;',
    })
    client.message('quit')
    expect(await ended).toBe('quit')
    expect(await client.reply()).toBeUndefined()
  })

  it('starts, follows, starts again', async () => {
    const { client, tracker, ended } = serve()
    await client.reply()
    const first = await client.initialize('file:///1.jpg', '10,20,30,40')
    expect([first?.type, first?.args, first?.properties]).toEqual(['state', ['10.0000,20.0000,30.0000,40.0000'], { confidence: '1.000000' }])
    expect((await client.frame('file:///2.jpg'))?.args).toEqual(['11.0000,20.0000,30.0000,40.0000'])
    const third = await client.frame('image:1;1;rgb;AAAA')
    expect([third?.args, third?.properties]).toEqual([['12.0000,20.0000,30.0000,40.0000'], { confidence: '0.250000' }])
    expect((await client.initialize('4.jpg', '0,0,10,0,10,20,0,20'))?.args).toEqual(['0.0000,0.0000,11.0000,21.0000'])
    client.message('quit')
    expect(await ended).toBe('quit')
    expect(tracker.calls).toEqual(['init /1.jpg', 'update /2.jpg', 'update pixels', 'init 4.jpg'])
  })

  it('takes the region alone and the image behind it in version 4', async () => {
    const { client, tracker, ended } = serve({ version: 4 })
    expect((await client.reply())?.properties['trax.version']).toBe('4')
    client.message('initialize', '10,20,30,40')
    expect((await client.frame('1.jpg'))?.args).toEqual(['10.0000,20.0000,30.0000,40.0000'])
    expect((await client.frame('2.jpg'))?.args).toEqual(['11.0000,20.0000,30.0000,40.0000'])
    client.message('initialize')
    client.message('initialize', '1,2,3,4')
    expect((await client.frame('3.jpg'))?.args).toEqual(['1.0000,2.0000,3.0000,4.0000'])
    client.message('quit')
    expect(await ended).toBe('quit')
    expect(tracker.calls).toEqual(['init 1.jpg', 'update 2.jpg', 'init 3.jpg'])
  })

  it('ignores other lines, and properties', async () => {
    const { client, ended } = serve()
    await client.reply()
    client.send('whatever the client prints\n@@trax:no\n\n')
    client.send('@@TRAX:initialize 1.jpg 1,2,3,4 "mood=good"\n')
    expect((await client.reply())?.type).toBe('state')
    client.message('quit')
    expect(await ended).toBe('quit')
  })

  it('ends with its input', async () => {
    const { client, input, ended } = serve()
    await client.reply()
    input.end()
    expect(await ended).toBe('end of input')
    expect(await client.reply()).toBeUndefined()
  })
})

describe('what is wrong ends the session with a reason', () => {
  it.each([
    ['an unknown message', '@@TRAX:dance\n', 'the message "dance" is not known'],
    ['a quote that is not closed', '@@TRAX:frame "1.jpg\n', 'a quote is not closed'],
    ['a frame before initialize', '@@TRAX:frame 1.jpg\n', 'expected initialize before the first frame'],
    ['initialize without a region', '@@TRAX:initialize 1.jpg\n', 'expected an image and a region in initialize but found 1 arguments'],
    ['a frame with two images', '@@TRAX:initialize 1.jpg 1,2,3,4\n@@TRAX:frame 1.jpg 2.jpg\n', 'expected an image in frame but found 2 arguments'],
    ['a message of servers', '@@TRAX:state 1,2,3,4\n', 'the message state is not one that a client sends'],
    ['an empty region', '@@TRAX:initialize 1.jpg ""\n', 'expected a region'],
    ['an image by URL', '@@TRAX:initialize http://a/1.jpg 1,2,3,4\n', 'images by URL (http:) are not supported'],
    ['a frame that cannot be read', '@@TRAX:initialize 1.jpg 1,2,3,4\n@@TRAX:frame broken.jpg\n', 'broken.jpg: is no picture'],
  ])('%s', async (_, text, reason) => {
    const { client, ended } = serve()
    await client.reply()
    client.send(text)
    let last = await client.reply()
    while (last?.type === 'state') last = await client.reply()
    expect([last?.type, last?.args]).toEqual(['quit', []])
    expect(last?.properties['trax.reason']).toContain(reason)
    expect(last?.properties['trax.reason']).toMatch(/^ERR_DATA /)
    expect(await ended).toContain(reason.replace('broken.jpg: ', ''))
  })

  it.each([
    ['a second object', '@@TRAX:initialize 1,2,3,4\n@@TRAX:initialize 1,2,3,4\n', 'follows one object'],
    ['image and region together', '@@TRAX:initialize 1.jpg 1,2,3,4\n', 'expected a region in initialize but found 2'],
  ])('in version 4: %s', async (_, text, reason) => {
    const { client, ended } = serve({ version: 4 })
    await client.reply()
    client.send(text)
    expect((await client.reply())?.properties['trax.reason']).toContain(reason)
    await ended
  })

  it('an aborted signal', async () => {
    const abort = new AbortController()
    const { client, input, ended } = serve({ signal: abort.signal })
    await client.reply()
    abort.abort(new SiamError('ERR_ABORTED', 'stopped by a test'))
    input.destroy()
    expect((await client.reply())?.properties['trax.reason']).toBe('ERR_ABORTED stopped by a test')
    expect(await ended).toBe('stopped by a test')
  })

  it('whatever bytes come, it answers with states and at most one quit', async () => {
    let state = 5
    const random = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32
    const bits = ['@@TRAX:', 'initialize', 'frame', ' ', '"', '\\', '=', '1.jpg', '1,2,3,4', '\n', '\n@@TRAX:frame ', '\n@@TRAX:initialize "1.jpg" "1,2,3,4"\n', 'image:', ';', '\0', '\xff', 'broken.jpg']
    for (let k = 0; k < 300; k++) {
      const { client, input, ended } = serve(k % 2 === 0 ? {} : { version: 4 })
      input.end(Buffer.from(Array.from({ length: 30 * random() }, () => bits[Math.floor(bits.length * random())]).join(''), 'latin1'))
      const types: string[] = []
      for (let reply = await client.reply(); reply !== undefined; reply = await client.reply()) types.push(reply.type)
      expect(types.join(' ')).toMatch(/^hello( state)*( quit)?$/)
      expect(client.other).toEqual([])
      await ended
    }
  })
})

describe('over a socket', () => {
  it('connects to the port that the client listens on', async () => {
    const server = net.createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as net.AddressInfo
    const accepted = new Promise<net.Socket>((resolve) => server.once('connection', resolve))
    const transport = await socketTransport(String(port))
    const socket = await accepted
    const client = new TraxClient(socket, (text) => void socket.write(text))
    const ended = serveTrax(new MovingTracker(), transport.input, { name: 'Moving', identifier: 'moving 1', write: transport.write }).finally(() => transport.close())
    expect((await client.reply())?.type).toBe('hello')
    expect((await client.initialize('1.jpg', '1,2,3,4'))?.type).toBe('state')
    client.message('quit')
    expect(await ended).toBe('quit')
    expect(await client.reply()).toBeUndefined()
    socket.destroy()
    server.close()
  })

  it('says where nobody listens, and what is no port', async () => {
    const server = net.createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as net.AddressInfo
    await new Promise<void>((resolve) => void server.close(() => resolve()))
    await expect(socketTransport(String(port), undefined, 0)).rejects.toMatchObject({ code: 'ERR_IO', message: expect.stringContaining(`port ${port}`) as string })
    for (const odd of ['0', '70000', 'http', '-1', '80.5']) await expect(socketTransport(odd)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
  })
})
