/**
 * A TraX server: a tracker that a client starts, feeds with frames and asks for regions, one message at a time.
 */
import { SiamError } from '../errors.ts'
import { formatFixed } from '../monitors/python-format.ts'
import type { Box, Tracker, TrackResult } from '../tracking/tracker.ts'
import { imageFormats, parseImage } from './image.ts'
import { linesOf } from './lines.ts'
import { formatMessage, malformed, parseMessage, type TraxMessage } from './message.ts'
import { formatRegion, parseRegion } from './region.ts'

/**
 * Up to 3, `initialize` carries image and region; in 4, `initialize` carries the region and the `frame` behind it the image. Clients take
 * the form of the version that the server announces; old ones know the first form only.
 */
export type TraxVersion = 1 | 2 | 3 | 4

export interface TraxOptions {
  /** Default 3. */
  version?: TraxVersion
  /** What `hello` says of the tracker: name, identifier, description, family. */
  name: string
  identifier: string
  description?: string
  family?: string
  /** Sends text to the client; resolves when more may be sent. */
  write: (text: string) => Promise<void>
  /** Checked before each message. */
  signal?: AbortSignal
}

/**
 * Serves one client until it says quit or the input ends. Lines that are no messages are ignored. A malformed or misplaced message, or a
 * tracker that fails, ends the session with a `quit` that carries the reason.
 * @returns how it ended
 * @throws what ended it, once the client has been told: ERR_DATA for a message, else what the tracker threw; the signal's reason
 */
export async function serveTrax(tracker: Tracker, input: AsyncIterable<Uint8Array>, options: TraxOptions): Promise<'quit' | 'end of input'> {
  const session = new Session(tracker, options.version ?? 3)
  await options.write(hello(options))
  try {
    for await (const line of linesOf(input)) {
      options.signal?.throwIfAborted()
      const message = parseMessage(line)
      if (message === undefined) continue
      if (message.type === 'quit') return 'quit'
      const reply = await session.answer(message)
      if (reply !== undefined) await options.write(reply)
    }
    options.signal?.throwIfAborted()
    return 'end of input'
  } catch (error) {
    // Whoever aborts closes the input too, which then complains.
    const cause: unknown = options.signal?.aborted === true ? options.signal.reason : error
    // A client that has gone cannot be told.
    await options.write(formatMessage('quit', [], { 'trax.reason': reasonOf(cause) })).catch(() => {})
    throw cause
  }
}

function hello({ version = 3, name, identifier, description, family }: TraxOptions): string {
  return formatMessage('hello', [], {
    'trax.version': String(version),
    'trax.name': name,
    'trax.identifier': identifier,
    ...(description === undefined ? {} : { 'trax.description': description }),
    ...(family === undefined ? {} : { 'trax.family': family }),
    'trax.image': list(imageFormats),
    'trax.region': list(['rectangle', 'polygon']),
    'trax.channels': list(['color']),
  })
}

/** As the reference library writes lists. */
function list(names: readonly string[]): string {
  return names.map((name) => `${name};`).join('')
}

function reasonOf(error: unknown): string {
  if (error instanceof SiamError) return `${error.code} ${error.file === undefined ? '' : `${error.file}: `}${error.message}`
  return error instanceof Error ? error.message : String(error)
}

/** What has been said so far, and what follows from it. */
class Session {
  readonly #tracker: Tracker
  readonly #version: TraxVersion
  /** Version 4: the region that waits for its frame. */
  #waiting: Box | undefined
  #tracking = false

  constructor(tracker: Tracker, version: TraxVersion) {
    this.#tracker = tracker
    this.#version = version
  }

  /** @returns the reply's line, if there is one */
  async answer({ type, args }: TraxMessage): Promise<string | undefined> {
    if (type === 'initialize') return this.#version >= 4 ? this.#announce(args) : this.#start(args)
    if (type === 'frame') return this.#follow(args)
    throw malformed(`the message ${type} is not one that a client sends`)
  }

  /** Image and region in one message. */
  async #start(args: readonly string[]): Promise<string> {
    expectArguments('initialize', args, 2, 'an image and a region')
    const box = parseRegion(args[1] as string)
    return this.#initialize(args[0] as string, box)
  }

  /** Version 4: without an argument the target is given up, with a region one is taken when the next frame comes. */
  #announce(args: readonly string[]): undefined {
    if (args.length === 0) {
      this.#waiting = undefined
      this.#tracking = false
      return undefined
    }
    expectArguments('initialize', args, 1, 'a region')
    if (this.#waiting !== undefined || this.#tracking) throw new SiamError('ERR_DATA', 'this tracker follows one object; a second one was given')
    this.#waiting = parseRegion(args[0] as string)
    return undefined
  }

  async #follow(args: readonly string[]): Promise<string> {
    expectArguments('frame', args, 1, 'an image')
    const image = args[0] as string
    if (this.#waiting !== undefined) {
      const box = this.#waiting
      this.#waiting = undefined
      return this.#initialize(image, box)
    }
    if (!this.#tracking) throw malformed('expected initialize before the first frame')
    return state(await this.#tracker.update(parseImage(image)))
  }

  async #initialize(image: string, box: Box): Promise<string> {
    await this.#tracker.init(parseImage(image), box)
    this.#tracking = true
    return state({ box: [box[0], box[1], box[2], box[3]], score: 1 })
  }
}

function expectArguments(type: string, args: readonly string[], count: number, what: string): void {
  if (args.length !== count) throw malformed(`expected ${what} in ${type} but found ${args.length} arguments`)
}

/** `confidence` is what the VOT toolkit keeps of a tracker's own opinion. */
function state(result: TrackResult & { confidence?: number }): string {
  return formatMessage('state', [formatRegion(result.box)], { confidence: formatFixed(result.confidence ?? result.score, 6) })
}
