// What the page does with a source: which frame is shown, the boxes of the run, tracking on, going back, correcting.
// It knows nothing of the document; `changed` and `say` are told.

import { fitted, middle } from './box.js'
import { Pictures } from './pictures.js'
import { Run } from './run.js'
import { Session } from './session.js'
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
  fps = null
  run = new Run()
  view = 0
  /** @type {ImageBitmap | undefined} */
  picture
  playing = false
  /** The box that is being drawn or changed, of the frame that is shown. @type {Box | undefined} */
  draft
  /** A step on is under way: keys that repeat wait for it. */
  busy = false

  #pictures = new Pictures()
  /** Whoever plays, steps or shows a frame has the newest number; all others stop. */
  #turn = 0
  /** @type {Promise<boolean> | undefined} */
  #accepting

  /**
   * @param {{ changed: () => void, say: (text: string) => void, problem: (problem: Problem | undefined, frame?: number) => void }} page
   */
  constructor(page) {
    this.page = page
    this.session = new Session({ changed: page.changed, box: (step) => this.run.add(step), problem: (problem) => this.#trouble(problem) })
  }

  get online() {
    return this.session.online
  }

  /** How many there are, if that is known. @returns {number | null} */
  get frames() {
    return this.session.end ?? this.source?.frames ?? null
  }

  /** @param {Source} source */
  async open(source) {
    const turn = this.#take()
    this.#pictures.open(source.id)
    Object.assign(this, { source: undefined, draft: undefined, picture: undefined, view: 0, run: new Run() })
    this.page.problem(undefined)
    this.page.changed()
    try {
      const opened = await this.session.open(source.id)
      if (turn !== this.#turn) return
      Object.assign(this, { source: opened.source, size: { width: opened.width, height: opened.height }, fps: opened.fps })
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
    this.session.allow(this.view)
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
    this.page.problem(undefined)
    try {
      const step = await this.session.start(frame, box)
      const replaced = this.run.last - frame
      this.run.dropAfter(frame)
      this.run.add(step)
      this.draft = undefined
      this.page.say(`The box is taken in frame ${frame + 1}.${replaced > 0 ? ` ${replaced} later ${replaced === 1 ? 'box was' : 'boxes were'} dropped.` : ''} Space tracks on from here.`)
      this.page.changed()
      return true
    } catch (error) {
      this.#trouble(error)
      return false
    }
  }

  /** Goes on behind a frame that cannot be read. */
  async skip() {
    if (this.session.stalled === undefined) return
    this.run.skipped.add(this.session.stalled)
    this.session.skip()
    await this.play()
  }

  /** Everything that goes on stops. */
  #take() {
    this.playing = false
    this.session.leave()
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
    if (next + through - 1 > this.run.last) this.session.allow(next + through - 1)
    const step = known ?? (await this.session.result(next))
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

  /** @param {unknown} error */
  #trouble(error) {
    if (this.playing) this.page.say(`Stopped. ${this.#where()}`)
    this.#take()
    this.page.problem(problemFrom(error), this.session.stalled)
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
