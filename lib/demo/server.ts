/**
 * The demo's server: one port on the loopback interface, the page and its parts over HTTP, a web socket for each tab.
 */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import type { Duplex } from 'node:stream'
import { WebSocketServer, type WebSocket } from 'ws'
import { SiamError } from '../errors.ts'
import { Catalog, sourcesOf } from './catalog.ts'
import { checkCaller } from './guard.ts'
import { Api } from './http-api.ts'
import { problemBody } from './http-problem.ts'
import { defaultLimits, type DemoLimits } from './limits.ts'
import type { ServerMessage } from './messages.ts'
import { readPageFiles } from './page-files.ts'
import { Session } from './session.ts'
import { StoredBytes } from './stored-bytes.ts'
import { temporaryFolder } from './temporary-folder.ts'
import type { TrackerSupply } from './trackers.ts'
import { UploadStore } from './uploads.ts'
import { VideoSource, type OpenVideo } from './video-source.ts'

export interface DemoOptions {
  trackers: TrackerSupply
  /** Folders, patterns and videos that the page offers. */
  sources: readonly string[]
  openVideo: OpenVideo
  /** Where the trackers compute, for the page to say. */
  device: string
  /** 0 takes a free one. */
  port: number
  limits?: Partial<DemoLimits>
  /** Errors of ours, for the terminal. */
  onBug: (error: unknown) => void
}

export interface Demo {
  url: string
  port: number
  /** The folder of uploads. */
  folder: string
  /** Ends all sessions, closes the port and removes the folder. The trackers' supply is the caller's. */
  close: () => Promise<void>
}

/**
 * Starts the server.
 * @throws ERR_IO when the port cannot be had, ERR_DATA for sources that are not there, ERR_SETUP, and what openVideo throws
 */
export async function startDemo(options: DemoOptions): Promise<Demo> {
  const limits = { ...defaultLimits, ...options.limits }
  const page = await readPageFiles()
  const folder = await temporaryFolder()
  const catalog = new Catalog()
  const stored = new StoredBytes(limits.storedBytes)
  const uploads = new UploadStore({ folder: folder.path, limits, stored, openVideo: options.openVideo })
  let port = options.port
  const api = new Api({ page, catalog, uploads, port: () => port, onBug: options.onBug })
  const server = createServer((request, response) => void api.handle(request, response).catch(options.onBug))
  // A large upload over a slow disk takes its time; what does not move at all is ended by the sockets' own timeout.
  server.requestTimeout = 0
  server.timeout = 120_000
  const tabs = new Tabs(options, catalog, limits)
  server.on('upgrade', (request, socket, head) => tabs.upgrade(request, socket, head, port))
  const close = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    await tabs.close()
    server.closeAllConnections()
    await uploads.close()
    await catalog.close()
    await folder.remove()
    await closed
  }
  try {
    let videos = 0
    const openVideo = (file: string, name: string): Promise<VideoSource> => VideoSource.open(file, { name, openVideo: options.openVideo, stored, folder: path.join(folder.path, `video-${(videos += 1)}`) })
    for (const source of await sourcesOf(options.sources, openVideo)) catalog.add(source)
    port = await listen(server, options.port)
  } catch (error) {
    await close()
    throw error
  }
  return { url: `http://127.0.0.1:${port}/`, port, folder: folder.path, close }
}

function listen(server: ReturnType<typeof createServer>, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'another program has it' : cause.code === 'EACCES' ? 'this user may not' : cause.message
      reject(new SiamError('ERR_IO', `port ${port} cannot be opened: ${why}`, { hint: '--port 0 takes a free one', cause }))
    })
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => resolve((server.address() as AddressInfo).port))
  })
}

/** Open tabs: each has a web socket and a session. */
class Tabs {
  readonly #options: DemoOptions
  readonly #catalog: Catalog
  readonly #limits: DemoLimits
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: 16 << 10, perMessageDeflate: false })
  /** Sessions that have a tracker, also those that are about to give it back. */
  readonly #sessions = new Set<Promise<void>>()
  #closing = false

  constructor(options: DemoOptions, catalog: Catalog, limits: DemoLimits) {
    this.#options = options
    this.#catalog = catalog
    this.#limits = limits
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, port: number): void {
    socket.on('error', () => socket.destroy())
    try {
      // Browsers let every page open web sockets to every address: the origin is what tells ours.
      checkCaller(request.headers, port, true)
      if (request.url !== '/api/session' || this.#closing) throw new SiamError('ERR_ARGUMENT', 'no session here')
    } catch {
      socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      return
    }
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => this.#serve(webSocket))
  }

  async close(): Promise<void> {
    this.#closing = true
    for (const socket of this.#sockets.clients) socket.close(1001, 'the server ends')
    const sessions = Promise.all(this.#sessions)
    // A page that does not answer the goodbye holds nothing up.
    const timer = setTimeout(() => this.#terminate(), 500)
    await sessions
    clearTimeout(timer)
    this.#terminate()
    this.#sockets.close()
  }

  #terminate(): void {
    for (const socket of this.#sockets.clients) socket.terminate()
  }

  #serve(socket: WebSocket): void {
    // What cannot be sent goes to a tab that was closed: its session ends by itself.
    const send = (message: ServerMessage): Promise<void> => new Promise((resolve) => socket.send(JSON.stringify(message), () => resolve()))
    socket.on('error', () => socket.terminate())
    if (this.#sessions.size >= this.#limits.sessions) {
      const problem = problemBody(new SiamError('ERR_ARGUMENT', `The demo tracks in at most ${this.#limits.sessions} tabs at a time, and so many are open`, { hint: 'close one of them and reload this one' }))
      void send({ type: 'refused', problem }).then(() => socket.close(1013))
      return
    }
    const session = this.#session(socket, send).catch((error: unknown) => {
      this.#options.onBug(error)
      socket.terminate()
    })
    this.#sessions.add(session)
    void session.then(() => this.#sessions.delete(session))
  }

  /** Lives as long as the socket, and until its tracker is freed. */
  async #session(socket: WebSocket, send: (message: ServerMessage) => Promise<void>): Promise<void> {
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    const early: string[] = []
    // What comes before the tracker is there waits.
    let receive = (text: string): boolean => early.push(text) <= 16
    socket.on('message', (data, isBinary) => {
      if (!receive(isBinary ? '' : (data as Buffer).toString('utf8'))) socket.close(1008, 'too many messages')
    })
    const { trackers, device, onBug } = this.#options
    const tracker = await trackers.make()
    const session = new Session({ catalog: this.#catalog, tracker, send, onBug })
    try {
      await send({ type: 'hello', tracker: trackers.name, device, sessions: this.#sessions.size })
      receive = (text) => session.receive(text)
      early.forEach(receive)
      await closed
    } finally {
      await session.close()
    }
  }
}
