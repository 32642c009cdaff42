/**
 * The server's answers to requests. Routes are few and fixed; ids and frame numbers are the only parts of a path that mean anything.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Catalog } from './catalog.ts'
import { checkCaller, safetyHeaders } from './guard.ts'
import { HttpProblem, problemBody, statusOf } from './http-problem.ts'
import type { PageFile } from './page-files.ts'
import { SiamError } from '../errors.ts'
import { frameJpeg, summaryOf } from './source.ts'
import type { UploadStore } from './uploads.ts'

export interface ApiOptions {
  page: ReadonlyMap<string, PageFile>
  catalog: Catalog
  uploads: UploadStore
  port: () => number
  onBug: (error: unknown) => void
}

/** Announcements of 20 000 files have about 1 MB. */
const mostJsonBytes = 8 << 20

interface Answer {
  status?: number
  type?: string
  body?: Uint8Array | string
  headers?: Record<string, string>
}

const json = (value: unknown, status = 200): Answer => ({ status, type: 'application/json; charset=utf-8', body: JSON.stringify(value) })

export class Api {
  readonly #options: ApiOptions

  constructor(options: ApiOptions) {
    this.#options = options
  }

  /** Answers one request; never throws. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: Answer
    try {
      checkCaller(request.headers, this.#options.port(), request.method !== 'GET' && request.method !== 'HEAD')
      answer = await this.#route(request)
    } catch (error) {
      if (!(error instanceof SiamError)) this.#options.onBug(error)
      // What is left of a body that is not wanted would have to be read before the connection could be used again.
      answer = { ...json({ error: problemBody(error) }, statusOf(error)), headers: request.complete ? {} : { Connection: 'close' } }
    }
    if (response.destroyed) return
    const { status = 200, type, body = '', headers = {} } = answer
    response.writeHead(status, { 'Cache-Control': 'no-store', ...safetyHeaders(request), ...(type === undefined ? {} : { 'Content-Type': type }), ...(status === 204 ? {} : { 'Content-Length': Buffer.byteLength(body) }), ...headers })
    response.end(request.method === 'HEAD' ? undefined : body)
    if (!request.complete) await drained(request)
  }

  async #route(request: IncomingMessage): Promise<Answer> {
    const method = request.method === 'HEAD' ? 'GET' : request.method
    const url = request.url ?? ''
    const file = this.#options.page.get(url.replace(/[?#].*$/s, ''))
    if (file !== undefined) {
      if (method !== 'GET') throw notAllowed(request)
      return { type: file.type, body: file.bytes }
    }
    const parts = /^\/api\/(sources|uploads)(?:\/([0-9a-f]{18})(?:\/(frames|files)\/(\d{1,9})|\/(finish))?)?$/.exec(url)
    if (parts === null) throw new HttpProblem(404, 'ERR_ARGUMENT', 'There is nothing at this address', 'the page itself is at /')
    const [, what, id, sub, number, finish] = parts
    const { catalog, uploads } = this.#options
    const is = (kind: string, wanted: string, ...there: boolean[]): boolean => kind === what && method === wanted && there.every(Boolean)
    if (is('sources', 'GET', id === undefined)) return json({ sources: catalog.list() })
    if (is('sources', 'GET', sub === 'frames')) return this.#frame(id as string, Number(number))
    if (is('sources', 'DELETE', id !== undefined, sub === undefined, finish === undefined)) {
      await catalog.remove(id as string)
      return { status: 204 }
    }
    if (is('uploads', 'POST', id === undefined)) return json(await uploads.announce(await jsonBody(request)), 201)
    if (is('uploads', 'PUT', sub === 'files')) {
      await uploads.receive(id as string, Number(number), request)
      return { status: 204 }
    }
    if (is('uploads', 'POST', finish !== undefined)) {
      const source = await uploads.finish(id as string)
      catalog.add(source)
      return json({ source: summaryOf(source) }, 201)
    }
    if (is('uploads', 'DELETE', id !== undefined, sub === undefined, finish === undefined)) {
      await uploads.drop(id as string)
      return { status: 204 }
    }
    throw notAllowed(request)
  }

  async #frame(id: string, index: number): Promise<Answer> {
    const source = this.#options.catalog.get(id)
    const leave = source.use()
    try {
      const file = await source.frame(index)
      if (file === undefined) throw new HttpProblem(404, 'ERR_ARGUMENT', `${source.name} has no frame ${index + 1}`)
      // The id is of this server's life alone, so what a browser keeps is never another picture.
      return { type: 'image/jpeg', body: await frameJpeg(file), headers: { 'Cache-Control': 'private, max-age=3600, immutable' } }
    } catch (error) {
      if (!(error instanceof SiamError)) throw error
      return json({ error: problemBody(error, (file) => source.nameOf(file)) }, statusOf(error))
    } finally {
      leave()
    }
  }
}

function notAllowed(request: IncomingMessage): HttpProblem {
  return new HttpProblem(405, 'ERR_ARGUMENT', `${request.method} does nothing at this address`)
}

/** @throws HttpProblem 413, 415, 400 */
async function jsonBody(request: IncomingMessage): Promise<unknown> {
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) throw new HttpProblem(415, 'ERR_ARGUMENT', 'Expected a body of type application/json')
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > mostJsonBytes) throw new HttpProblem(413, 'ERR_ARGUMENT', 'The announcement is too long', 'name the folder on the command line instead: siamtrain demo PATH …')
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    throw new HttpProblem(400, 'ERR_ARGUMENT', 'The body is no JSON')
  }
}

/**
 * Reads on for a moment and throws it away: a connection that is closed while its client still sends is reset, and the client would never
 * see the answer that says why.
 */
function drained(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      request.destroy()
      resolve()
    }
    const timer = setTimeout(done, 2000)
    request.once('end', done).once('error', done).once('close', done)
    request.resume()
  })
}
