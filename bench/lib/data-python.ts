/** The Python that makes pairs as the original does (bench/python/data_baseline.py), and its line protocol. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { FrameSet } from './frame-sets.ts'

export interface PythonRun {
  pairs: number
  seconds: number
  /** Processor time of the process. */
  cpu: number
}

export class PythonBaseline {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>

  constructor() {
    const script = fileURLToPath(new URL('../python/data_baseline.py', import.meta.url))
    this.#child = spawn(process.env['SIAMFCPP_BENCH_PYTHON'] ?? 'python3', [script], { stdio: 'pipe', env: { ...process.env, OMP_NUM_THREADS: '1', OPENCV_LOG_LEVEL: 'ERROR' } })
    this.#child.stderr.pipe(process.stderr)
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  /** Its first line: Python and the packages in use. @throws Error when it lacks one */
  async versions(): Promise<Record<string, unknown>> {
    return this.#line()
  }

  async use(set: FrameSet): Promise<void> {
    await this.#ask({ frames: set.files, boxes: set.boxes.map(([x, y, w, h]) => [x, y, x + w - 1, y + h - 1]) })
    await this.#ask({ pairs: 4 })
  }

  async run(pairs: number): Promise<PythonRun> {
    return (await this.#ask({ pairs })) as unknown as PythonRun
  }

  end(): void {
    this.#child.stdin.end()
  }

  async #ask(request: unknown): Promise<Record<string, unknown>> {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`)
    return this.#line()
  }

  async #line(): Promise<Record<string, unknown>> {
    const { value, done } = await this.#lines.next()
    if (done === true) throw new Error('the Python baseline ended; it needs cv2 and numpy (SIAMFCPP_BENCH_PYTHON chooses the interpreter)')
    return JSON.parse(value) as Record<string, unknown>
  }
}
