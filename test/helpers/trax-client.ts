/**
 * A TraX client after the protocol's specification (trax.readthedocs.io), with a parser of its own: what the server writes and reads is
 * checked by other code than the server's.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import net from 'node:net'
import { fileURLToPath } from 'node:url'

export interface Reply {
  type: string
  args: string[]
  properties: Record<string, string>
  line: string
}

const entry = fileURLToPath(new URL('siamtrain.ts', import.meta.url))

export class TraxClient {
  readonly #write: (text: string) => void
  readonly #lines: string[] = []
  readonly #waiting: ((line: string | undefined) => void)[] = []
  #ended = false
  #rest = ''
  /** Lines that are no messages. */
  readonly other: string[] = []

  constructor(input: NodeJS.ReadableStream, write: (text: string) => void) {
    this.#write = write
    input.on('data', (chunk: Buffer | string) => {
      const lines = (this.#rest + chunk.toString()).split('\n')
      this.#rest = lines.pop() ?? ''
      for (const line of lines) this.#take(line)
    })
    input.on('end', () => this.#end())
    input.on('close', () => this.#end())
  }

  #take(line: string): void {
    if (!line.startsWith('@@TRAX:')) this.other.push(line)
    else if (this.#waiting.length > 0) this.#waiting.shift()?.(line)
    else this.#lines.push(line)
  }

  #end(): void {
    this.#ended = true
    for (const waiting of this.#waiting.splice(0)) waiting(undefined)
  }

  /** Any text, for instance a malformed message. */
  send(text: string): void {
    this.#write(text)
  }

  /** A message, every argument in quotes. */
  message(type: string, ...args: string[]): void {
    this.send(`@@TRAX:${type}${args.map((arg) => ` "${arg.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`).join('')}\n`)
  }

  /** The next message of the server; undefined once it is gone. */
  async reply(): Promise<Reply | undefined> {
    const line = this.#lines.shift() ?? (this.#ended ? undefined : await new Promise<string | undefined>((resolve) => this.#waiting.push(resolve)))
    return line === undefined ? undefined : parsed(line)
  }

  async initialize(image: string, region: string): Promise<Reply | undefined> {
    this.message('initialize', image, region)
    return this.reply()
  }

  async frame(image: string): Promise<Reply | undefined> {
    this.message('frame', image)
    return this.reply()
  }
}

/** Character by character, as the specification describes it. */
function parsed(line: string): Reply {
  const type = /^@@TRAX:([a-z]+)/.exec(line)?.[1] ?? ''
  const args: string[] = []
  const properties: Record<string, string> = {}
  let current: string | undefined
  let quoted = false
  const finish = (): void => {
    if (current === undefined) return
    const named = /^([A-Za-z0-9._]{1,64})=(.*)$/s.exec(current)
    if (named === null) args.push(current)
    else properties[named[1] as string] = named[2] as string
    current = undefined
  }
  for (let i = '@@TRAX:'.length + type.length; i < line.length; i++) {
    const char = line[i] as string
    if (char === '\\') {
      i++
      current = (current ?? '') + (line[i] === 'n' ? '\n' : (line[i] ?? ''))
    } else if (char === '"') {
      if (quoted) finish()
      else current = ''
      quoted = !quoted
    } else if (char === ' ' && !quoted) finish()
    else current = (current ?? '') + char
  }
  if (quoted) throw new Error(`the server did not close a quote: ${line}`)
  finish()
  return { type, args, properties, line }
}

export interface TraxProcess {
  client: TraxClient
  child: ChildProcess
  /** Standard error and the exit code, once it has ended. */
  ended: Promise<{ code: number | null; stderr: string }>
}

/** Starts `siamtrain trax …` and talks to it over its standard input and output, or over a socket. */
export async function startTrax(args: readonly string[], over: 'pipes' | 'socket' = 'pipes'): Promise<TraxProcess> {
  const server = over === 'socket' ? net.createServer() : undefined
  if (server !== undefined) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const port = server === undefined ? '' : String((server.address() as net.AddressInfo).port)
  const child = spawn(process.execPath, [entry, 'trax', ...args], { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, TRAX_SOCKET: port } })
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  // What is sent to one that has gone is lost, and nothing else.
  child.stdin.on('error', () => {})
  const ended = new Promise<{ code: number | null; stderr: string }>((resolve) => child.on('close', (code) => resolve({ code, stderr })))
  if (server === undefined) return { client: new TraxClient(child.stdout, (text) => void child.stdin.write(text)), child, ended }
  const connected = new Promise<net.Socket>((resolve) => server.once('connection', resolve))
  const socket = await Promise.race([connected, ended.then(({ stderr: said }) => Promise.reject<net.Socket>(new Error(`the server ended before it connected: ${said}`)))])
  socket.on('error', () => {})
  server.close()
  return { client: new TraxClient(socket, (text) => void socket.write(text)), child, ended }
}
