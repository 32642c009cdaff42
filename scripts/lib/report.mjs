/** What set-up says: one line a step with its time, and on failure what, why, what to do and where it looked. */
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** A step that failed for a reason that a user can act on. */
export class SetupFailure extends Error {
  /**
   * @param {string} what  what failed, one sentence
   * @param {{todo: string[], tail?: string[], looked?: string[], log?: string}} details
   *   todo: what to do, one entry a remedy; tail: the tool's last lines; looked: each place that was tried and why it was not taken
   */
  constructor(what, details) {
    super(what)
    this.name = 'SetupFailure'
    this.todo = details.todo
    this.tail = details.tail ?? []
    this.looked = details.looked ?? []
    this.log = details.log
  }
}

/** @returns {string} the failure as a paragraph for a terminal */
export function formatFailure(failure, again = 'npm run setup') {
  const lines = [`  failed: ${failure.message}`]
  const list = (title, entries, mark) => {
    if (entries.length === 0) return
    lines.push(`  ${title}:`)
    for (const entry of entries) lines.push(`    ${mark} ${entry}`)
  }
  list('last lines of its output', failure.tail, '|')
  list('looked at', failure.looked, '-')
  list('what to do', failure.todo, '*')
  if (failure.log !== undefined) lines.push(`  full output: ${failure.log}`)
  lines.push(`  then run it again: ${again} (what is finished is not repeated)`)
  return lines.join('\n')
}

/**
 * A log file for a tool's long output. Never the reason for a failure: a place that cannot be written falls back to the temporary
 * folder, then to none.
 */
export function openLog(root, name) {
  const fileName = `${name}.log`
  for (const folder of [path.join(root, '.cache', 'logs'), path.join(os.tmpdir(), `siamfcpp-native-logs-${os.userInfo().uid}`)]) {
    try {
      mkdirSync(folder, { recursive: true })
      const file = path.join(folder, fileName)
      writeFileSync(file, '')
      return {
        file,
        append(text) {
          try {
            appendFileSync(file, text)
          } catch {
            // A full disk must not hide the tool's own message.
          }
        },
      }
    } catch {
      continue
    }
  }
  return { file: undefined, append() {} }
}

const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`

/** Prints steps. On a terminal the running step's line is redrawn; elsewhere a line comes every 30 seconds. */
export class Reporter {
  #stream
  #index = 0
  #count

  constructor(count, stream = process.stderr) {
    this.#count = count
    this.#stream = stream
  }

  /**
   * Runs one step and prints `[2/4] title: outcome (0.3 s)`.
   * @template T
   * @param {string} title
   * @param {(progress: (text: string) => void) => Promise<string>} work  resolves to the outcome
   */
  async step(title, work) {
    const label = `[${++this.#index}/${this.#count}] ${title}`
    const started = performance.now()
    let note = ''
    const terminal = this.#stream.isTTY === true
    const draw = () => {
      if (terminal) {
        const width = Math.max(20, (this.#stream.columns ?? 80) - 1)
        this.#stream.write(`\r\x1b[2K${`${label} … ${seconds(started)} ${note}`.slice(0, width)}`)
      } else {
        this.#stream.write(`${label} … ${seconds(started)} ${note}`.trimEnd() + '\n')
      }
    }
    if (terminal) draw()
    const timer = setInterval(draw, terminal ? 250 : 30_000)
    timer.unref()
    const clear = () => {
      clearInterval(timer)
      if (terminal) this.#stream.write('\r\x1b[2K')
    }
    try {
      const outcome = await work((text) => (note = text))
      clear()
      this.#stream.write(`${label}: ${outcome} (${seconds(started)})\n`)
    } catch (error) {
      clear()
      this.#stream.write(`${label}: FAILED (${seconds(started)})\n`)
      throw error
    }
  }
}
