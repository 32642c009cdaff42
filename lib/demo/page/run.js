// The boxes of one run through a source, and the files they become.

/** @typedef {import('./box.js').Box} Box */
/** @typedef {{ frame: number, box: Box, score: number, seconds: number, init?: boolean }} Step */

export class Run {
  /** @type {Map<number, Step>} */
  steps = new Map()
  /** Frames that were left out because they could not be read. @type {Set<number>} */
  skipped = new Set()

  /** @param {Step} step */
  add(step) {
    this.steps.set(step.frame, step)
  }

  /** A correction makes what came after it worthless. @param {number} frame */
  dropAfter(frame) {
    for (const other of this.steps.keys()) if (other > frame) this.steps.delete(other)
    for (const other of this.skipped) if (other > frame) this.skipped.delete(other)
  }

  /** The last frame with a box; -1 where there is none. */
  get last() {
    let last = -1
    for (const frame of this.steps.keys()) if (frame > last) last = frame
    return last
  }

  sorted() {
    return [...this.steps.values()].sort((a, b) => a.frame - b.frame)
  }

  /** The tracked frame that is least sure, or undefined. */
  lowest() {
    /** @type {Step | undefined} */
    let lowest
    for (const step of this.steps.values()) if (!step.init && (lowest === undefined || step.score < lowest.score)) lowest = step
    return lowest
  }

  get given() {
    let count = 0
    for (const step of this.steps.values()) if (step.init) count += 1
    return count
  }

  /** Frames a second of the last tracked frames up to this one, or undefined. @param {number} frame */
  fps(frame, over = 30) {
    let seconds = 0
    let count = 0
    for (let k = frame; k > frame - over; k--) {
      const step = this.steps.get(k)
      if (step === undefined || step.init) continue
      seconds += step.seconds
      count += 1
    }
    return count === 0 ? undefined : count / seconds
  }
}

/**
 * As the GOT-10k toolkit writes results: x,y,w,h of each frame through the last one with a box; nan where there is none.
 * @param {Run} run
 */
export function gotText(run) {
  let text = ''
  for (let frame = 0; frame <= run.last; frame++) {
    const step = run.steps.get(frame)
    text += `${step === undefined ? 'nan,nan,nan,nan' : step.box.map((value) => value.toFixed(3)).join(',')}\n`
  }
  return text
}

/**
 * Everything that is known of the run. Frames count from 0, as in `siamtrain track --json`.
 * @param {Run} run
 * @param {{ source: string, tracker: string, width: number, height: number, frames: number | null }} facts
 */
export function jsonText(run, facts) {
  return `${JSON.stringify({ ...facts, boxes: run.sorted().map(({ frame, box, score, seconds, init }) => ({ frame, box, score, seconds, given: init === true })) }, null, 1)}\n`
}
