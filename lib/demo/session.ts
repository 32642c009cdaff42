/**
 * One tab: a source, a tracker of its own, and how far the page lets it go.
 */
import { SiamError } from '../errors.ts'
import type { Tracker } from '../tracking/tracker.ts'
import type { Catalog } from './catalog.ts'
import { baseName, problemBody } from './http-problem.ts'
import { pageMessage, type PageMessage, type ServerMessage } from './messages.ts'
import { summaryOf, type DemoSource } from './source.ts'

/** What a session says goes through here; the promise resolves when there is room for more, and when nobody listens any more. */
export type Send = (message: ServerMessage) => Promise<void>

export interface SessionOptions {
  catalog: Catalog
  tracker: Tracker
  send: Send
  /** Told of errors that are no SiamError: bugs of ours. */
  onBug: (error: unknown) => void
}

/** A page sends a message for each frame it draws: more than this unanswered is no page of ours. */
const mostWaiting = 64

export class Session {
  readonly #options: SessionOptions
  #opened: { source: DemoSource; leave: () => void } | undefined
  #run = 0
  /** The frame to track next; undefined before the first box. */
  #next: number | undefined
  #through = -1
  #stepping = false
  #waiting = 0
  #closed = false
  /** Everything that touches source or tracker, one after the other. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: SessionOptions) {
    this.#options = options
  }

  /** Takes one message of the page. @returns false when there are too many: the socket should be closed */
  receive(text: string): boolean {
    let message: PageMessage
    try {
      message = pageMessage.parse(JSON.parse(text))
    } catch {
      void this.#inTurn('message', undefined, async () => {
        throw new SiamError('ERR_ARGUMENT', 'The page sent what this server does not know', { hint: 'reload the page' })
      })
      return this.#waiting <= mostWaiting
    }
    switch (message.op) {
      case 'open':
        void this.#inTurn('open', undefined, () => this.#open(message.source))
        break
      case 'init':
        void this.#inTurn('init', message, () => this.#init(message.run, message.frame, message.box))
        break
      case 'skip':
        void this.#inTurn('track', message, async () => {
          if (message.run === this.#run && message.frame === this.#next) this.#next = message.frame + 1
        })
        break
      case 'track':
        // Not in turn: less than before means to stop, and that at once.
        if (message.run === this.#run) this.#through = message.through
        this.#step()
    }
    return this.#waiting <= mostWaiting
  }

  /** Waits for the frame that is being tracked, then frees the tracker. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#turn.catch(() => {})
    this.#opened?.leave()
    this.#opened = undefined
    this.#options.tracker.dispose()
  }

  async #open(id: string): Promise<void> {
    this.#opened?.leave()
    this.#opened = undefined
    this.#next = undefined
    this.#through = -1
    const source = this.#options.catalog.get(id)
    const leave = source.use()
    try {
      const size = await source.size()
      this.#opened = { source, leave }
      await this.#options.send({ type: 'opened', source: summaryOf(source), ...size, fps: source.fps ?? null })
    } catch (error) {
      this.#opened = undefined
      leave()
      throw error
    }
  }

  async #init(run: number, frame: number, box: [number, number, number, number]): Promise<void> {
    this.#through = -1
    const file = await this.#source().frame(frame)
    if (file === undefined) throw new SiamError('ERR_ARGUMENT', `There is no frame ${frame + 1}`)
    const start = performance.now()
    // A box that the tracker refuses changes nothing: what was followed before can be followed on.
    await this.#options.tracker.init(file, box)
    this.#run = run
    this.#next = frame + 1
    await this.#options.send({ type: 'box', run, frame, box, score: 1, seconds: (performance.now() - start) / 1000, init: true })
  }

  /** Tracks the next frame if the page allows it, then the one after that. */
  #step(): void {
    const allowed = (): boolean => !this.#closed && this.#next !== undefined && this.#next <= this.#through
    if (this.#stepping || !allowed()) return
    this.#stepping = true
    void this.#inTurn('track', undefined, async () => {
      if (allowed()) await this.#track(this.#next as number)
    }).then((done) => {
      this.#stepping = false
      // After a failure nothing happens by itself: the page decides.
      if (done) this.#step()
    })
  }

  async #track(frame: number): Promise<void> {
    const run = this.#run
    const start = performance.now()
    const file = await this.#source().frame(frame)
    if (file === undefined) {
      this.#through = frame - 1
      await this.#options.send({ type: 'end', run, frames: frame })
      return
    }
    const { box, score } = await this.#options.tracker.update(file)
    this.#next = frame + 1
    await this.#options.send({ type: 'box', run, frame, box, score, seconds: (performance.now() - start) / 1000 })
  }

  #source(): DemoSource {
    if (this.#opened === undefined) throw new SiamError('ERR_ARGUMENT', 'No source is open', { hint: 'choose one' })
    return this.#opened.source
  }

  /** Runs work after all that came before; tells the page what fails. @returns whether it succeeded */
  #inTurn(at: 'open' | 'init' | 'track' | 'message', message: { run: number; frame?: number } | undefined, work: () => Promise<void>): Promise<boolean> {
    this.#waiting += 1
    const result = this.#turn.then(async () => {
      this.#waiting -= 1
      if (this.#closed) return false
      try {
        await work()
        return true
      } catch (error) {
        await this.#tell(error, at, message)
        return false
      }
    })
    this.#turn = result
    return result
  }

  async #tell(error: unknown, at: 'open' | 'init' | 'track' | 'message', message: { run: number; frame?: number } | undefined): Promise<void> {
    if (!(error instanceof SiamError)) this.#options.onBug(error)
    if (at === 'track') this.#through = -1
    const where = at === 'track' ? { run: this.#run, frame: this.#next } : at === 'init' ? { run: message?.run, frame: message?.frame } : {}
    await this.#options.send({ type: 'failed', at, ...where, problem: problemBody(error, (file) => this.#opened?.source.nameOf(file) ?? baseName(file)) })
  }
}
