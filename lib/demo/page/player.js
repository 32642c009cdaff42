// What the page does with a source: which frame is shown, the boxes of the run, tracking on, going back, correcting.
// It knows nothing of the document; `changed` and `say` are told.

import { fitted, middle } from './box.js'
import { Connection } from './connection.js'
import { Pictures } from './pictures.js'
import { Run } from './run.js'
import { frameText, problemFrom, scoreText } from './words.js'

/** @typedef {import('./box.js').Box} Box */
/** @typedef {import('./run.js').Step} Step */
/** @typedef {import('./words.js').Problem} Problem */
/** @typedef {{ id: string, name: string, kind: 'images' | 'video', uploaded: boolean, frames: number | null, estimate: number | null }} Source */

/** Frames that the tracker may be ahead of the page while it plays: it computes one while the page draws the other. */
const ahead = 2
/** Boxes that are there already are shown at this rate where the source has none. */
const usualFps = 30

export class Player {
  /** @type {Source | undefined} */
  source
  size = { width: 0, height: 0 }
  /** @type {number | null} */
  frames = null
  /** @type {number | null} */
  fps = null
  tracker = ''
  device = ''
  run = new Run()
  view = 0
  /** @type {ImageBitmap | undefined} */
  picture
  playing = false
  /** The box that is being drawn or changed, of the frame that is shown. @type {Box | undefined} */
  draft
  online = true
  /** The frame at which tracking stands still. @type {number | undefined} */
  stalled

  #pictures = new Pictures()
  #runs = 0
  /** Whoever plays, steps or shows a frame has the newest number; all others stop. */
  #turn = 0
  /** @type {{ frame: number, resolve: (step: Step | undefined) => void, reject: (problem: Problem) => void } | undefined} */
  #awaited
  /** @type {{ run: number, resolve: (step: Step) => void, reject: (problem: Problem) => void } | undefined} */
  #starting
  /** @type {Promise<boolean> | undefined} */
  #accepting
  /** @type {{ resolve: () => void, reject: (problem: Problem) => void } | undefined} */
  #opening

  /**
   * @param {{ changed: () => void, say: (text: string) => void, problem: (problem: Problem | undefined, frame?: number) => void }} page
   */
  constructor(page) {
    this.page = page
    this.connection = new Connection(
      {
        hello: ({ tracker, device }) => {
          Object.assign(this, { tracker, device })
          page.changed()
        },
        refused: ({ problem }) => {
          this.refused = true
          this.#lost(problem)
        },
        opened: (message) => this.#opened(message),
        box: (message) => this.#box(message),
        end: ({ run, frames }) => {
          if (run !== this.run.id) return
          this.frames = frames
          this.#awaited?.resolve(undefined)
        },
        failed: (message) => this.#failed(message),
      },
      (wasOpen) => {
        if (this.refused) return
        this.#lost(wasOpen
          ? { message: 'The connection to the server is gone', hint: this.run.steps.size > 0 ? 'the boxes so far can still be exported; start siamtrain demo again and reload this page' : 'start siamtrain demo again and reload this page' }
          : { message: 'The server cannot be reached', hint: 'is siamtrain demo still running? Reload this page then' })
      },
    )
  }

  /** @param {Source} source */
  async open(source) {
    const turn = this.#take()
    this.#pictures.open(source.id)
    Object.assign(this, { source: undefined, draft: undefined, picture: undefined, view: 0, run: new Run() })
    this.run.id = ++this.#runs
    this.page.problem(undefined)
    this.page.changed()
    try {
      await new Promise((/** @type {(value: void) => void} */ resolve, reject) => {
        this.#opening?.reject({ message: 'another source was chosen' })
        this.#opening = { resolve, reject }
        this.connection.send({ op: 'open', source: source.id })
      })
      if (turn !== this.#turn) return
      await this.#display(0, turn)
      this.page.say(`${source.name} is open${this.frames === null ? '' : `: ${this.frames} ${this.frames === 1 ? 'frame' : 'frames'}`}. Draw a box around the target: drag with the mouse, or press B.`)
    } catch (error) {
      if (turn === this.#turn) this.#trouble(error)
    }
  }

  /** Nothing is open any more. */
  close() {
    this.#take()
    Object.assign(this, { source: undefined, draft: undefined, picture: undefined, view: 0, run: new Run() })
    this.page.changed()
  }

  get step() {
    return this.run.steps.get(this.view)
  }

  /** The last frame that can be shown. */
  get furthest() {
    return this.source?.kind === 'images' && this.frames !== null ? this.frames - 1 : Math.max(this.run.last, this.view)
  }

  get atEnd() {
    return this.frames !== null && this.view >= this.frames - 1
  }

  async toggle() {
    if (this.playing) this.pause()
    else await this.play()
  }

  async play() {
    if (!this.source || !this.online) return
    if (this.draft !== undefined && !(await this.accept())) return
    if (this.run.steps.size === 0) {
      this.page.say('Draw a box around the target first: drag with the mouse, or press B.')
      return
    }
    const turn = this.#take()
    this.playing = true
    this.page.problem(undefined)
    this.page.say('Tracking.')
    this.page.changed()
    try {
      // From a frame that was never reached the way leads on from the last one that was.
      if (this.view > this.run.last) await this.#display(this.run.last, turn)
      while (turn === this.#turn && (await this.#advance(ahead, turn)));
      if (turn !== this.#turn) return
      this.playing = false
      this.page.say(this.atEnd ? `The end: ${this.run.steps.size} frames with a box.` : this.#where())
      this.page.changed()
    } catch (error) {
      if (turn === this.#turn) this.#trouble(error)
    }
  }

  pause() {
    if (!this.playing) return
    this.#take()
    this.connection.send({ op: 'track', run: this.run.id, through: this.view })
    this.page.say(`Paused. ${this.#where()}`)
    this.page.changed()
  }

  /** One frame on, with its box if there is a run that leads there. */
  async forward() {
    if (!this.source || this.atEnd || this.busy) return
    const turn = this.#take()
    this.busy = true
    try {
      const tracks = this.online && this.draft === undefined && this.view >= this.run.last && this.run.steps.has(this.view)
      if (tracks) await this.#advance(1, turn)
      else if (this.view < this.furthest) await this.#display(this.view + 1, turn)
      if (turn === this.#turn) this.page.say(this.#where())
    } catch (error) {
      if (turn === this.#turn) this.#trouble(error)
    } finally {
      this.busy = false
    }
  }

  /** @param {number} frame */
  async show(frame) {
    if (!this.source) return
    const turn = this.#take()
    try {
      await this.#display(Math.min(Math.max(frame, 0), this.furthest), turn)
      if (turn === this.#turn) this.page.say(this.#where())
    } catch (error) {
      if (turn === this.#turn) this.#trouble(error)
    }
  }

  /** Begins to draw or correct. @param {Box} [box] */
  edit(box) {
    if (!this.source || !this.online) return
    if (this.playing) this.pause()
    const said = this.draft !== undefined
    this.draft = fitted(box ?? this.draft ?? this.step?.box ?? this.run.steps.get(this.run.last)?.box ?? middle(this.size), this.size)
    if (!said) this.page.say('Box: arrow keys move it, Control with arrow keys resizes it, Enter takes it, Escape leaves it.')
    this.page.changed()
  }

  discard() {
    if (this.draft === undefined) return
    this.draft = undefined
    this.page.say('The box stays as it was.')
    this.page.changed()
  }

  /** Tracking starts (again) with the drawn box in the frame that is shown. @returns {Promise<boolean>} */
  accept() {
    // Enter and then Space in haste: both mean the box that is on its way.
    this.#accepting ??= this.#accept().finally(() => {
      this.#accepting = undefined
    })
    return this.#accepting
  }

  async #accept() {
    if (this.draft === undefined) return false
    const frame = this.view
    const box = this.draft
    const run = ++this.#runs
    this.page.problem(undefined)
    try {
      const step = await new Promise((/** @type {(step: Step) => void} */ resolve, reject) => {
        this.#starting = { run, resolve, reject }
        this.connection.send({ op: 'init', run, frame, box })
      })
      const replaced = this.run.last - frame
      this.run.id = run
      this.run.dropAfter(frame)
      this.run.add(step)
      this.draft = undefined
      this.stalled = undefined
      this.page.say(`The box is taken in frame ${frame + 1}.${replaced > 0 ? ` ${replaced} later ${replaced === 1 ? 'box was' : 'boxes were'} dropped.` : ''} Space tracks on from here.`)
      this.page.changed()
      return true
    } catch (error) {
      this.#trouble(error)
      return false
    } finally {
      this.#starting = undefined
    }
  }

  /** Goes on behind a frame that cannot be read. */
  async skip() {
    if (this.stalled === undefined) return
    this.connection.send({ op: 'skip', run: this.run.id, frame: this.stalled })
    this.run.skipped.add(this.stalled)
    this.stalled = undefined
    await this.play()
  }

  /** Everything that goes on stops. */
  #take() {
    this.playing = false
    this.#awaited?.resolve(undefined)
    this.#awaited = undefined
    return ++this.#turn
  }

  /**
   * Shows the next frame with its box.
   * @param {number} through how far the tracker may go
   * @param {number} turn
   * @returns {Promise<boolean>} false at the end
   */
  async #advance(through, turn) {
    let next = this.view + 1
    while (this.run.skipped.has(next)) next += 1
    if (this.frames !== null && next >= this.frames) return false
    const known = this.run.steps.get(next)
    const started = performance.now()
    const picture = this.#pictures.get(next)
    picture.catch(() => {})
    if (next + through - 1 > this.run.last) this.connection.send({ op: 'track', run: this.run.id, through: next + through - 1 })
    const step = known ?? (await new Promise((/** @type {(step: Step | undefined) => void} */ resolve, reject) => {
      this.#awaited = { frame: next, resolve, reject }
    }))
    if (step === undefined || turn !== this.#turn) return false
    if (through > 1 && (this.frames === null || next + 1 < this.frames)) this.#pictures.prefetch(next + 1)
    const bitmap = await picture
    if (known !== undefined && through > 1) await pause(1000 / (this.fps ?? usualFps) - (performance.now() - started))
    if (turn !== this.#turn) return false
    this.#put(next, bitmap)
    await painted()
    return turn === this.#turn
  }

  /** @param {number} frame @param {number} turn */
  async #display(frame, turn) {
    const bitmap = await this.#pictures.get(frame)
    if (turn === this.#turn) this.#put(frame, bitmap)
  }

  /** @param {number} frame @param {ImageBitmap} bitmap */
  #put(frame, bitmap) {
    this.view = frame
    this.picture = bitmap
    this.#pictures.held = frame
    this.page.changed()
  }

  /** @param {{ source: Source, width: number, height: number, fps: number | null }} message */
  #opened({ source, width, height, fps }) {
    this.source = source
    this.size = { width, height }
    this.frames = source.frames
    this.fps = fps
    this.#opening?.resolve()
    this.#opening = undefined
  }

  /** @param {Step & { run: number }} message */
  #box({ run, ...step }) {
    if (step.init && run === this.#starting?.run) {
      this.#starting.resolve(step)
    } else if (run === this.run.id) {
      this.run.add(step)
      if (this.#awaited?.frame === step.frame) this.#awaited.resolve(step)
    }
  }

  /** @param {{ at: string, run?: number, frame?: number, problem: Problem }} message */
  #failed({ at, run, frame, problem }) {
    if (at === 'open') this.#opening?.reject(problem)
    else if (at === 'init') this.#starting?.reject(problem)
    else if (at !== 'track') this.page.problem(problem)
    else if (run === this.run.id) {
      this.stalled = frame
      if (this.#awaited) this.#awaited.reject(problem)
    }
  }

  /** @param {Problem} problem */
  #lost(problem) {
    this.online = false
    for (const waiting of [this.#opening, this.#starting, this.#awaited]) waiting?.reject(problem)
    this.#trouble(problem)
  }

  /** @param {unknown} error */
  #trouble(error) {
    this.#take()
    this.page.problem(problemFrom(error), this.stalled)
    this.page.changed()
  }

  #where() {
    const { step } = this
    return `${frameText(this.view, this.frames)}, ${step === undefined ? 'no box' : step.init ? 'given box' : `score ${scoreText(step.score)}`}.`
  }
}

/** Until the browser has drawn. Nobody looks at a hidden page, and browsers let its timers wait. */
function painted() {
  return document.hidden ? Promise.resolve() : new Promise((resolve) => requestAnimationFrame(resolve))
}

/** @param {number} milliseconds */
function pause(milliseconds) {
  return milliseconds <= 0 || document.hidden ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, milliseconds))
}
