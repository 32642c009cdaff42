/**
 * A progress bar with tqdm's look on a terminal, and a few plain lines in a log file.
 */
import { formatFixed } from '../monitors/python-format.ts'

/** What the bar needs of a stream; process.stderr has it. */
export interface ProgressStream {
  write(text: string): unknown
  isTTY?: boolean
  /** Width of the terminal in columns. */
  columns?: number
}

export interface ProgressOptions {
  /** Number of steps; undefined where it is not known. */
  total?: number
  description?: string
  /** Default: standard error, so that results on standard output stay clean. */
  stream?: ProgressStream
  /** 'auto' (default): a bar on a terminal, lines elsewhere. */
  mode?: 'auto' | 'bar' | 'lines' | 'none'
  /** Unit of the rate; 'it' by default. */
  unit?: string
  /** Steps that were done before (a resumed run); they do not count for the rate. */
  initial?: number
  /** Least seconds between two drawings of the bar (0.1). */
  minIntervalSeconds?: number
  /** Lines mode: a line after that many seconds (10), or earlier when another tenth of the way is done. */
  lineIntervalSeconds?: number
  /** Clock in seconds, for tests. */
  now?: () => number
}

export interface ProgressBar extends Disposable {
  /** Steps done. */
  readonly n: number
  /** Advances by `increment` steps (default 1), as tqdm's update(). */
  update(increment?: number): void
  /** Text in front of the percentage. */
  setDescription(description: string): void
  /** Prints a line of its own without tearing the bar. */
  log(line: string): void
  /** Draws the last state and ends the line; later calls do nothing. */
  close(): void
}

/** Makes the progress bar that fits the stream. */
export function createProgress(options: ProgressOptions = {}): ProgressBar {
  const stream = options.stream ?? process.stderr
  const mode = options.mode ?? 'auto'
  if (mode === 'none') return new SilentProgress(stream, options)
  if (mode === 'bar' || (mode === 'auto' && stream.isTTY === true)) return new TerminalBar(stream, options)
  return new LineProgress(stream, options)
}

/** Counting and rate, which all kinds share. */
abstract class Progress implements ProgressBar {
  n: number
  protected description: string
  protected closed = false
  protected readonly stream: ProgressStream
  protected readonly options: ProgressOptions
  protected readonly now: () => number
  protected readonly startSeconds: number
  // tqdm's exponential moving averages of steps and seconds between two drawings (smoothing 0.3).
  #averageSteps = 0
  #averageSeconds = 0
  #drawings = 0
  #lastN: number
  #lastSeconds: number

  constructor(stream: ProgressStream, options: ProgressOptions) {
    this.stream = stream
    this.options = options
    this.now = options.now ?? ((): number => performance.now() / 1000)
    this.n = options.initial ?? 0
    this.description = options.description ?? ''
    this.startSeconds = this.now()
    this.#lastN = this.n
    this.#lastSeconds = this.startSeconds
  }

  update(increment = 1): void {
    if (this.closed) return
    this.n += increment
    this.advanced()
  }

  setDescription(description: string): void {
    if (this.closed) return
    this.description = description
    this.described()
  }

  abstract log(line: string): void

  close(): void {
    if (this.closed) return
    this.finish()
    this.closed = true
  }

  [Symbol.dispose](): void {
    this.close()
  }

  protected abstract advanced(): void
  protected abstract described(): void
  protected abstract finish(): void

  protected noteRate(): void {
    const seconds = this.now()
    const steps = this.n - this.#lastN
    if (steps <= 0) return
    this.#averageSteps = 0.3 * steps + 0.7 * this.#averageSteps
    this.#averageSeconds = 0.3 * (seconds - this.#lastSeconds) + 0.7 * this.#averageSeconds
    this.#drawings++
    this.#lastN = this.n
    this.#lastSeconds = seconds
  }

  protected meter(columns: number | undefined, final: boolean): string {
    const elapsed = this.now() - this.startSeconds
    const done = this.n - (this.options.initial ?? 0)
    // At the end the overall rate is what counts; until then the recent one, which the remaining time depends on.
    const smoothed = !final && this.#drawings > 0 && this.#averageSeconds > 0
    const rate = smoothed ? this.#averageSteps / this.#averageSeconds : elapsed > 0 ? done / elapsed : 0
    return formatMeter({ n: this.n, total: this.options.total, elapsed, rate, description: this.description, unit: this.options.unit, columns })
  }
}

class SilentProgress extends Progress {
  log(): void {}
  protected advanced(): void {}
  protected described(): void {}
  protected finish(): void {}
}

class TerminalBar extends Progress {
  #drawnSeconds = -Infinity
  #drawnWidth = 0

  constructor(stream: ProgressStream, options: ProgressOptions) {
    super(stream, options)
    this.#draw(false)
  }

  log(line: string): void {
    this.#erase()
    this.stream.write(`${line}\n`)
    if (!this.closed) this.#draw(false)
  }

  protected advanced(): void {
    this.#drawWhenDue()
  }

  protected described(): void {
    this.#drawWhenDue()
  }

  protected finish(): void {
    this.#draw(true)
    this.stream.write('\n')
    this.#drawnWidth = 0
  }

  #drawWhenDue(): void {
    if (this.now() - this.#drawnSeconds >= (this.options.minIntervalSeconds ?? 0.1)) this.#draw(false)
  }

  #draw(final: boolean): void {
    this.noteRate()
    // The last column stays free: a character there makes some terminals begin a new line.
    const columns = Math.max((this.stream.columns ?? 80) - 1, 1)
    const text = this.meter(columns, final)
    const width = displayWidth(text)
    this.stream.write(`\r${text}${' '.repeat(Math.max(Math.min(this.#drawnWidth, columns) - width, 0))}`)
    this.#drawnWidth = width
    this.#drawnSeconds = this.now()
  }

  #erase(): void {
    if (this.#drawnWidth > 0) this.stream.write(`\r${' '.repeat(this.#drawnWidth)}\r`)
    this.#drawnWidth = 0
  }
}

class LineProgress extends Progress {
  #printedSeconds: number
  #printedN: number
  #printedAny = false

  constructor(stream: ProgressStream, options: ProgressOptions) {
    super(stream, options)
    this.#printedSeconds = this.startSeconds
    this.#printedN = this.n
  }

  log(line: string): void {
    this.stream.write(`${line}\n`)
  }

  // A loop sets the description and then updates, so it is update() that prints: the line then shows both of the same step.
  protected advanced(): void {
    const quiet = this.now() - this.#printedSeconds
    const { total } = this.options
    const anotherTenth = total !== undefined && total > 0 && tenth(this.n, total) > tenth(this.#printedN, total)
    if (quiet >= (this.options.lineIntervalSeconds ?? 10) || (anotherTenth && quiet >= 1)) this.#print(false)
  }

  protected described(): void {}

  protected finish(): void {
    if (!this.#printedAny || this.n !== this.#printedN) this.#print(true)
  }

  #print(final: boolean): void {
    this.noteRate()
    this.stream.write(`${this.meter(0, final)}\n`)
    this.#printedSeconds = this.now()
    this.#printedN = this.n
    this.#printedAny = true
  }
}

function tenth(n: number, total: number): number {
  return Math.floor((n / total) * 10)
}

export interface MeterValues {
  n: number
  total?: number | undefined
  /** Seconds since the start. */
  elapsed: number
  /** Steps a second; 0 where not known. */
  rate: number
  description?: string | undefined
  unit?: string | undefined
  /** Width to fill; 0: no bar, only the figures; undefined: a bar of ten characters. */
  columns?: number | undefined
}

/**
 * One state of a progress bar as tqdm writes it: `description:  42%|████▏     | 42/100 [00:10<00:14,  4.20it/s]`.
 * Where that is wider than `columns`, the description is cut (with `…`) and the figures stay: print_str alone is wider than most terminals.
 */
export function formatMeter({ n, total, elapsed, rate, description = '', unit = 'it', columns }: MeterValues): string {
  const known = total !== undefined && total > 0 && n < total + 0.5
  const perStep = rate > 0 ? 1 / rate : 0
  const rateText =
    perStep > 1 ? `${formatFixed(perStep, 2).padStart(5)}s/${unit}` : `${rate > 0 ? formatFixed(rate, 2).padStart(5) : '?'}${unit}/s`
  // A control character (a newline above all) would move the cursor off the bar's line.
  const label = description.replace(/\p{Cc}+/gu, ' ')
  const prefix = label === '' ? '' : label.endsWith(': ') ? label : `${label}: `
  if (!known) return fit(prefix, `${n}${unit} [${formatInterval(elapsed)}, ${rateText}]`, columns)

  const percentage = `${formatFixed((n / total) * 100, 0).padStart(3)}%`
  const remaining = rate > 0 ? formatInterval((total - n) / rate) : '?'
  const figures = `${n}/${total} [${formatInterval(elapsed)}<${remaining}, ${rateText}]`
  if (columns === 0) return `${prefix}${percentage} ${figures}`
  const fixedWidth = displayWidth(prefix) + percentage.length + 2 + 1 + figures.length
  const barWidth = columns === undefined ? 10 : Math.max(columns - fixedWidth, Math.min(10, Math.max(1, columns - fixedWidth + displayWidth(prefix))))
  return fit(prefix, `${percentage}|${bar(n / total, barWidth)}| ${figures}`, columns)
}

function fit(prefix: string, rest: string, columns: number | undefined): string {
  if (columns === undefined || columns === 0) return prefix + rest
  const room = columns - displayWidth(rest)
  if (displayWidth(prefix) <= room) return prefix + rest
  return room >= 4 ? `${cut(prefix, room - 3)}…: ${rest}` : cut(rest, columns)
}

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

function bar(fraction: number, width: number): string {
  const filled = Math.floor(Math.min(Math.max(fraction, 0), 1) * width * 8)
  return ('█'.repeat(Math.floor(filled / 8)) + (eighths[filled % 8] as string)).padEnd(width)
}

/** Seconds as `[H:]MM:SS`. */
export function formatInterval(seconds: number): string {
  const whole = Math.trunc(seconds)
  const two = (value: number): string => value.toString().padStart(2, '0')
  const hours = Math.floor(whole / 3600)
  return `${hours > 0 ? `${hours}:` : ''}${two(Math.floor((whole % 3600) / 60))}:${two(whole % 60)}`
}

// East Asian wide characters and emoji take two columns, combining marks none: a path in a description may hold them.
const wide = /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u
const zeroWidth = /\p{Mn}|\p{Me}|\p{Cf}/u

function characterWidth(character: string): number {
  return zeroWidth.test(character) ? 0 : wide.test(character) ? 2 : 1
}

function displayWidth(text: string): number {
  let width = 0
  for (const character of text) width += character <= '~' ? 1 : characterWidth(character)
  return width
}

function cut(text: string, columns: number): string {
  let width = 0
  let result = ''
  for (const character of text) {
    width += characterWidth(character)
    if (width > columns) break
    result += character
  }
  return result
}
