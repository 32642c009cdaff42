/** A demo server with TinyConv's golden weights, and what a page would send to it. */
import { request, type IncomingMessage } from 'node:http'
import { WebSocket } from 'ws'
import { loadConfig } from '../../lib/config/index.ts'
import type { ServerMessage } from '../../lib/demo/messages.ts'
import { startDemo, type Demo, type DemoOptions } from '../../lib/demo/server.ts'
import { trackerSupply, type TrackerSupply } from '../../lib/demo/trackers.ts'
import { openVideo } from '../../lib/tracking/video/index.ts'
import { shared } from './shared.ts'

export const demoConfig = (): string => shared('reference-configs', 'train', 'got10k', 'siamfcpp_tinyconv-trn.yaml')
export const demoWeights = (): string => shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl')

/** Wider than any distance at which a failed expectation would be waited for in vain. */
const patienceMs = 60_000

export async function demoTrackers(): Promise<TrackerSupply> {
  return trackerSupply(await loadConfig(demoConfig()), { weights: demoWeights(), threads: 1 })
}

export function demoServer(trackers: TrackerSupply, options: Partial<DemoOptions> = {}): Promise<Demo> {
  return startDemo({ trackers, sources: [], openVideo, device: 'cpu', port: 0, onBug: (error) => console.error('bug:', error), ...options })
}

export interface Answer {
  status: number
  headers: IncomingMessage['headers']
  body: Buffer
  json: () => any // eslint-disable-line typescript/no-explicit-any
}

/** A request as a page of this server makes it, unless headers say otherwise. The path is sent as it is: fetch() would tidy it up. */
export function ask(demo: { port: number }, method: string, path: string, { headers = {}, body }: { headers?: Record<string, string | undefined>; body?: string | Uint8Array } = {}): Promise<Answer> {
  const all: Record<string, string | undefined> = { Host: `127.0.0.1:${demo.port}`, ...(method === 'GET' ? {} : { Origin: `http://127.0.0.1:${demo.port}` }), ...(typeof body === 'string' ? { 'Content-Type': 'application/json' } : {}), ...headers }
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: demo.port, method, path, agent: false, headers: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Record<string, string> }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const bytes = Buffer.concat(chunks)
        resolve({ status: response.statusCode as number, headers: response.headers, body: bytes, json: () => JSON.parse(bytes.toString('utf8')) as unknown })
      })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

/** Announces, sends and finishes; stops at the first answer that is an error. */
export async function upload(demo: { port: number }, name: string, files: { name: string; bytes: Uint8Array }[]): Promise<Answer> {
  const announced = await ask(demo, 'POST', '/api/uploads', { body: JSON.stringify({ name, files: files.map((file) => ({ name: file.name, size: file.bytes.length })) }) })
  if (announced.status !== 201) return announced
  const { upload: id, numbers } = announced.json() as { upload: string; numbers: number[] }
  for (const [i, file] of files.entries()) {
    const put = await ask(demo, 'PUT', `/api/uploads/${id}/files/${numbers[i]}`, { body: file.bytes })
    if (put.status !== 204) return put
  }
  return ask(demo, 'POST', `/api/uploads/${id}/finish`)
}

type OfType<T extends ServerMessage['type']> = Extract<ServerMessage, { type: T }>

/** A tab's web socket. */
export class Tab {
  readonly socket: WebSocket
  readonly messages: ServerMessage[] = []
  readonly closed: Promise<number>
  #wake: () => void = () => {}
  #read = 0

  constructor(demo: { port: number }, headers: Record<string, string> = {}) {
    this.socket = new WebSocket(`ws://127.0.0.1:${demo.port}/api/session`, { headers: { Origin: `http://127.0.0.1:${demo.port}`, ...headers } })
    this.closed = new Promise((resolve) => this.socket.on('close', resolve))
    this.socket.on('error', () => {})
    this.socket.on('message', (data: Buffer) => {
      this.messages.push(JSON.parse(data.toString('utf8')) as ServerMessage)
      this.#wake()
    })
  }

  send(message: object | string): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message))
  }

  /** The next message of one of these types; those before it are passed over. */
  async next<T extends ServerMessage['type']>(...types: T[]): Promise<OfType<T>> {
    const timer = setTimeout(() => this.#wake(), patienceMs)
    const end = performance.now() + patienceMs
    try {
      for (;;) {
        while (this.#read < this.messages.length) {
          const message = this.messages[this.#read++] as ServerMessage
          if ((types as string[]).includes(message.type)) return message as OfType<T>
        }
        if (performance.now() >= end) throw new Error(`no message of type ${types.join(' or ')}; there were ${JSON.stringify(this.messages)}`)
        await new Promise<void>((resolve) => (this.#wake = resolve))
      }
    } finally {
      clearTimeout(timer)
    }
  }

  async close(): Promise<void> {
    this.socket.close()
    await this.closed
  }
}
