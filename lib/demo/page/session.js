// This tab's session with the server: what is asked for comes back as a promise.

import { Connection } from './connection.js'

/** @typedef {import('./box.js').Box} Box */
/** @typedef {import('./run.js').Step} Step */
/** @typedef {import('./words.js').Problem} Problem */
/** @typedef {{ source: import('./player.js').Source, width: number, height: number, fps: number | null }} Opened */

/** @template T @typedef {{ key: number, resolve: (value: T) => void, reject: (problem: Problem) => void }} Waiting */

export class Session {
  tracker = ''
  device = ''
  online = true
  /** The run that results are of. */
  run = 0
  /** How many frames there are, once the server has come to the end. @type {number | undefined} */
  end
  /** The frame that could not be tracked. @type {number | undefined} */
  stalled

  #runs = 0
  #refused = false
  /** @type {Waiting<Opened> | undefined} */
  #opening
  /** How many answers to `open` are to come: in their order, and only the last one is waited for. */
  #opens = 0
  /** @type {Waiting<Step> | undefined} */
  #starting
  /** @type {Waiting<Step | undefined> | undefined} */
  #awaited

  /**
   * @param {{ changed: () => void, box: (step: Step) => void, problem: (problem: Problem) => void }} listener `box`: of the present run
   */
  constructor(listener) {
    this.listener = listener
    this.connection = new Connection(
      {
        hello: ({ tracker, device }) => {
          Object.assign(this, { tracker, device })
          listener.changed()
        },
        refused: ({ problem }) => {
          this.#refused = true
          this.#lost(problem)
        },
        opened: (message) => {
          if (--this.#opens === 0) this.#opening?.resolve(message)
        },
        box: (message) => this.#box(message),
        end: ({ run, frames }) => {
          if (run !== this.run) return
          this.end = frames
          this.#awaited?.resolve(undefined)
        },
        failed: (message) => this.#failed(message),
      },
      (wasOpen) => {
        if (this.#refused) return
        this.#lost(wasOpen
          ? { message: 'The connection to the server is gone', hint: 'the boxes so far can still be exported; start siamtrain demo again and reload this page' }
          : { message: 'The server cannot be reached', hint: 'is siamtrain demo still running? Reload this page then' })
      },
    )
  }

  /** @param {string} source @returns {Promise<Opened>} */
  open(source) {
    this.run = ++this.#runs
    Object.assign(this, { end: undefined, stalled: undefined })
    return new Promise((resolve, reject) => {
      this.#opening?.reject({ message: 'another source was chosen' })
      this.#opening = { key: 0, resolve, reject }
      this.#opens += 1
      this.connection.send({ op: 'open', source })
    })
  }

  /**
   * Gives the tracker a box; a new run begins when it is taken.
   * @param {number} frame @param {Box} box @returns {Promise<Step>}
   */
  async start(frame, box) {
    const run = ++this.#runs
    try {
      const step = await new Promise((/** @type {(step: Step) => void} */ resolve, reject) => {
        this.#starting = { key: run, resolve, reject }
        this.connection.send({ op: 'init', run, frame, box })
      })
      this.run = run
      this.stalled = undefined
      return step
    } finally {
      this.#starting = undefined
    }
  }

  /** Lets the tracker go on through a frame, and no farther. @param {number} through */
  allow(through) {
    this.connection.send({ op: 'track', run: this.run, through })
  }

  /** The result of a frame that was allowed; undefined at the end, and when something else is waited for. @param {number} frame @returns {Promise<Step | undefined>} */
  result(frame) {
    this.leave()
    return new Promise((resolve, reject) => {
      this.#awaited = { key: frame, resolve, reject }
    })
  }

  /** Nobody waits for a result any more. */
  leave() {
    this.#awaited?.resolve(undefined)
    this.#awaited = undefined
  }

  /** Leaves the frame out that could not be tracked. */
  skip() {
    this.connection.send({ op: 'skip', run: this.run, frame: this.stalled })
    this.stalled = undefined
  }

  /** @param {Step & { run: number }} message */
  #box({ run, ...step }) {
    if (step.init && run === this.#starting?.key) {
      this.#starting.resolve(step)
    } else if (run === this.run) {
      this.listener.box(step)
      if (this.#awaited?.key === step.frame) this.#awaited.resolve(step)
    }
  }

  /** @param {{ at: string, run?: number, frame?: number, problem: Problem }} message */
  #failed({ at, run, frame, problem }) {
    if (at === 'open') {
      if (--this.#opens === 0) this.#opening?.reject(problem)
    } else if (at === 'init') this.#starting?.reject(problem)
    else if (at !== 'track') this.listener.problem(problem)
    else if (run === this.run) {
      this.stalled = frame
      this.#awaited?.reject(problem)
    }
  }

  /** @param {Problem} problem */
  #lost(problem) {
    this.online = false
    for (const waiting of [this.#opening, this.#starting, this.#awaited]) waiting?.reject(problem)
    this.listener.problem(problem)
  }
}
