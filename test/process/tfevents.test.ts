/** What event files hold when the process that writes them ends in one way or another. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readEvents, type TfEvent } from '../../lib/monitors/tfevents/index.ts'

const library = new URL('../../lib/monitors/tfevents/index.ts', import.meta.url).href

let dir: string
beforeEach(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), 'tfevents-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

/** Runs a module in which `writer` is open in `dir`; `shell` lines come before it. @returns its standard output and how it ended */
async function writeIn(source: string, options: { shell?: string; onOutput?: (output: string, kill: () => void) => void } = {}) {
  const program = `import { EventFileWriter } from ${JSON.stringify(library)}
    const writer = await EventFileWriter.open(${JSON.stringify(dir)}, { flushIntervalSeconds: 3600 })
    ${source}`
  const script = `${options.shell ?? ''}\nexec "$0" --input-type=module -e "$1"`
  const child = spawn('bash', ['-c', script, process.execPath, program], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
    options.onOutput?.(output, () => child.kill('SIGKILL'))
  })
  child.stderr.on('data', (chunk) => (errors += chunk))
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  return { output, errors, code, signal }
}

async function written(): Promise<{ steps: number[]; events: TfEvent[]; tornBytes: number }> {
  const [name] = readdirSync(dir)
  const { events, tornBytes } = await readEvents(path.join(dir, name!))
  return { steps: events.filter((event) => event.scalars.length > 0).map((event) => event.step), events, tornBytes }
}

const counting = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

describe('a process that does not close its writer', () => {
  it('leaves everything when it ends by itself, and is not kept alive by the writer', async () => {
    const { code, errors } = await writeIn(`for (let i = 0; i < 100; i++) writer.addScalar('x', i, i)`)
    expect([code, errors]).toEqual([0, ''])
    expect((await written()).steps).toEqual(counting(100))
  })

  it('leaves everything when it fails or calls exit, also while a write is under way', async () => {
    const { code } = await writeIn(`
      for (let i = 0; i < 50_000; i++) writer.addScalar('x', i, i)
      void writer.flush()
      writer.addScalar('x', 1, 50_000)
      throw new Error('on purpose')`)
    expect(code).toBe(1)
    expect((await written()).steps).toEqual(counting(50_001))
  })

  it('leaves what was flushed when it is killed, and never a file that cannot be read', async () => {
    for (const after of [1, 40, 90]) {
      const { signal, output } = await writeIn(
        `for (let i = 0; ; i++) {
          writer.addScalar('x', i, i)
          if (i % 50 === 49) { await writer.flush(); console.log(i + 1) }
        }`,
        { onOutput: (text, kill) => text.split('\n').length > after && kill() },
      )
      expect(signal).toBe('SIGKILL')
      const flushed = Number(output.trimEnd().split('\n').at(-1))
      const { steps } = await written()
      expect(steps.length).toBeGreaterThanOrEqual(flushed)
      expect(steps).toEqual(counting(steps.length))
      rmSync(dir, { recursive: true })
    }
  })
})

describe('worker threads', () => {
  it('each have a file of their own, and leave everything in it when they end', async () => {
    const code = `
      const { parentPort } = require('node:worker_threads')
      import(${JSON.stringify(library)}).then(async ({ EventFileWriter }) => {
        const writer = await EventFileWriter.open(${JSON.stringify(dir)}, { flushIntervalSeconds: 3600 })
        for (let i = 0; i < 10; i++) writer.addScalar('x', i, i)
        parentPort.postMessage(writer.file)
      })`
    const workers = Array.from({ length: 4 }, () => new Worker(code, { eval: true }))
    const files = await Promise.all(
      workers.map(async (worker) => {
        const [file] = (await once(worker, 'message')) as [string]
        const [exitCode] = (await once(worker, 'exit')) as [number]
        expect(exitCode).toBe(0)
        return file
      }),
    )
    expect(new Set(files).size).toBe(4)
    for (const file of files) expect((await readEvents(file)).events).toHaveLength(11)
  })
})

describe('a disk that is full', () => {
  // A limit on the size of files fails like a full disk: the last write is short, the next one fails. 8 blocks of 1024 bytes.
  const shell = `trap '' XFSZ; ulimit -f 8`

  it('gives ERR_IO at the flush and leaves whole records only', async () => {
    const { code, output, errors } = await writeIn(
      `for (let i = 0; i < 1000; i++) writer.addScalar('x', i, i)
      for (const attempt of [() => writer.flush(), () => writer.flush(), async () => writer.addScalar('x', 0, 0), () => writer.close()]) {
        await attempt().then(() => console.log('done'), (error) => console.log(error.code, error.file === writer.file))
      }`,
      { shell },
    )
    expect([code, errors]).toEqual([0, ''])
    expect(output.trimEnd().split('\n')).toEqual(Array.from({ length: 4 }, () => 'ERR_IO true'))
    const { tornBytes, events } = await written()
    expect([tornBytes, events.length]).toEqual([0, 1])
  })

  it('reports a failed write in the background at the next value', async () => {
    const { code, output } = await writeIn(
      `let thrown
      for (let i = 0; thrown === undefined; i++) {
        try { writer.addScalar('x', i, i) } catch (error) { thrown = error }
        if (i % 1000 === 0) await new Promise((resolve) => setTimeout(resolve, 5))
      }
      console.log(thrown.code)`,
      { shell },
    )
    expect([code, output.trim()]).toEqual([0, 'ERR_IO'])
    expect((await written()).tornBytes).toBe(0)
  })

  it('loses nothing when space is there again', async () => {
    const { code, output, errors } = await writeIn(
      `const { execFileSync } = await import('node:child_process')
      for (let i = 0; i < 1000; i++) writer.addScalar('x', i, i)
      console.log(await writer.flush().then(() => 'done', (error) => error.code))
      execFileSync('prlimit', ['--fsize=unlimited', '--pid', String(process.pid)])
      await writer.flush()
      writer.addScalar('x', 1, 1000)
      await writer.close()`,
      { shell: `trap '' XFSZ; ulimit -Sf 8` },
    )
    expect([code, output.trim(), errors]).toEqual([0, 'ERR_IO', ''])
    expect((await written()).steps).toEqual(counting(1001))
  })
})
