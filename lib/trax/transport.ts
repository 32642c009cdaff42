/**
 * How a TraX server reaches its client: standard input and output, or, where TRAX_SOCKET names a port, a TCP connection to it on this
 * machine (the client listens, as the reference library has it).
 */
import net from 'node:net'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { SiamError } from '../errors.ts'

export interface Transport {
  input: AsyncIterable<Uint8Array>
  write: (text: string) => Promise<void>
  /** Ends both directions; what has been written is sent first. */
  close: () => Promise<void>
  /** Stops reading at once. */
  abort: () => void
}

/** Standard input and output. Everything else that the process prints goes to standard error. */
export function standardTransport(input: Readable = process.stdin, output: NodeJS.WritableStream = process.stdout): Transport {
  return {
    input: readable(input),
    write: (text) => writeTo(output, text),
    close: () => {
      input.destroy()
      return Promise.resolve()
    },
    abort: () => void input.destroy(),
  }
}

/**
 * Connects to the client's port on 127.0.0.1.
 * @param port  as in the environment
 * @param waitMs  how long a client that does not listen yet is waited for
 * @throws ERR_ARGUMENT for what is no port, ERR_IO when nobody listens, the signal's reason
 */
export async function socketTransport(port: string, signal?: AbortSignal, waitMs = 10_000): Promise<Transport> {
  const number = Number(port)
  if (!/^\d+$/.test(port) || number < 1 || number > 65535) throw new SiamError('ERR_ARGUMENT', `Expected a port (1 to 65535) in TRAX_SOCKET but found ${JSON.stringify(port)}`)
  const until = performance.now() + waitMs
  for (;;) {
    signal?.throwIfAborted()
    try {
      return overSocket(await connect(number))
    } catch (cause) {
      if (performance.now() >= until) {
        throw new SiamError('ERR_IO', `cannot connect to the client on port ${port} (TRAX_SOCKET): ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
      }
      await sleep(100)
    }
  }
}

function connect(port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: '127.0.0.1', port, noDelay: true })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(socket)
    })
  })
}

function overSocket(socket: net.Socket): Transport {
  // Reading and writing report errors on their own; without a listener one between two calls would end the process.
  socket.on('error', () => {})
  return {
    input: readable(socket),
    write: (text) => writeTo(socket, text),
    close: () => new Promise((resolve) => socket.destroyed ? resolve() : socket.end(() => {
      socket.destroy()
      resolve()
    })),
    abort: () => void socket.destroy(),
  }
}

/** Who stops reading may still write: a socket must not be closed for it. */
async function* readable(input: Readable): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* input.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>
  } catch (cause) {
    throw lost(cause)
  }
}

function writeTo(output: NodeJS.WritableStream, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    output.write(text, (error) => (error === null || error === undefined ? resolve() : reject(lost(error))))
  })
}

function lost(cause: unknown): SiamError {
  return new SiamError('ERR_IO', `the connection to the client broke: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
}
