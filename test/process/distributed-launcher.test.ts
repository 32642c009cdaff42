/** The launcher of ranks by itself, over small programs: exit codes, what is printed, signals, and that nothing is left. */
import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { ended, isRunning, ranksOf } from '../helpers/launched-ranks.ts'

const program = fileURLToPath(new URL('../helpers/launch-scripts.ts', import.meta.url))

interface Launched {
  child: ChildProcess
  /** Resolves once standard error has the text so many times. */
  said(text: string, times?: number): Promise<void>
  end: Promise<{ code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }>
}

/** Grace and term times are long where a test does not want them: nothing then depends on how fast ranks end. */
function start(processes: number, script: string, { grace = 600, term = 600 }: { grace?: number; term?: number } = {}): Launched {
  const child = spawn(process.execPath, [program, String(processes), String(grace), String(term), script], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TORCHELASTIC_USE_AGENT_STORE: 'True' } })
  let stdout = ''
  let stderr = ''
  const waiting = new Set<() => void>()
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => void (stdout += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
    for (const check of waiting) check()
  })
  return {
    child,
    said: (text, times = 1) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (stderr.split(text).length > times) resolve()
        }
        waiting.add(check)
        check()
      }),
    end: new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))),
  }
}

const run = (processes: number, script: string, times?: { grace?: number; term?: number }): Launched['end'] => start(processes, script, times).end

describe('the launcher', () => {
  it('gives each rank its place, and its own store', async () => {
    const { code, stdout, stderr } = await run(3, "const { RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT, TORCHELASTIC_USE_AGENT_STORE = 'none' } = process.env; console.log(RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT, TORCHELASTIC_USE_AGENT_STORE, isLaunched())")
    expect(code).toBe(0)
    expect(stdout).toBe('0 3 0 3 127.0.0.1 29999 none true\n')
    expect(stderr.trimEnd().split('\n').sort()).toEqual(['[rank 1] 1 3 1 3 127.0.0.1 29999 none true', '[rank 2] 2 3 2 3 127.0.0.1 29999 none true'])
  })

  it("passes rank 0's output through and prefixes each line of the others, once", async () => {
    const { stdout, stderr } = await run(2, "process.stdout.write('out ' + rank + '\\nhalf'); process.stderr.write(rank === 1 ? 'err 1\\r\\n\\n[rank 1] named\\n' : 'err 0\\n')")
    expect(stdout).toBe('out 0\nhalf')
    expect(stderr.trimEnd().split('\n').sort()).toEqual(['[rank 1] err 1', '[rank 1] half', '[rank 1] named', '[rank 1] out 1', 'err 0'])
  })

  it("ends with the first failure's exit code and says whose it is", async () => {
    const { code, stderr } = await run(3, "if (rank === 2) process.exit(7); endWithLauncher(rank); process.once('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1000)", { grace: 0.2 })
    expect(code).toBe(7)
    expect(stderr).toContain('siamtrain: rank 2 ended with exit code 7')
    expect(stderr).toContain('siamtrain: rank 0 still runs 0.2 s after another one has ended: it is stopped')
  })

  it("ends with the cause's exit code, and names it, though ranks that only lost it end first", async () => {
    const { code, stderr } = await run(2, "if (rank === 1) { tellLauncher(new SiamError('ERR_DISTRIBUTED', 'lost')); process.exitCode = 1 } else { await sleep(300); process.exit(9) }")
    expect(code).toBe(9)
    expect(stderr).toBe('siamtrain: rank 0 ended with exit code 9\n')
  })

  it('names one of them where each says that it only lost the others', async () => {
    const { code, stderr } = await run(2, "tellLauncher(new SiamError('ERR_DISTRIBUTED', 'lost')); process.exitCode = 1")
    expect(code).toBe(1)
    expect(stderr).toMatch(/^siamtrain: rank [01] ended with exit code 1\n$/)
  })

  it('kills what does not end at SIGTERM', async () => {
    const launched = start(2, "if (rank === 0) { process.on('SIGTERM', () => console.error('not I')); console.error('ready'); setInterval(() => {}, 1000) } else { await sleep(300); process.kill(process.pid, 'SIGKILL') }", { grace: 0.1, term: 0.3 })
    const { code, stderr } = await launched.end
    expect(code).toBe(137)
    expect(stderr).toContain('siamtrain: rank 1 was ended by SIGKILL')
  })

  it.each([['SIGINT', 130], ['SIGTERM', 143]] as const)('passes %s on to each rank, once', async (signal, exit) => {
    const launched = start(2, `process.on('${signal}', () => { console.error('got it'); setTimeout(() => process.exit(${exit}), 300) }); console.error('ready'); setInterval(() => {}, 1000)`)
    await launched.said('ready', 2)
    launched.child.kill(signal)
    launched.child.kill(signal)
    const { code, stderr } = await launched.end
    expect(code).toBe(exit)
    expect(stderr.match(/got it/g)).toHaveLength(2)
    expect(stderr).not.toContain('siamtrain:')
  })

  it('passes a second signal on, too', async () => {
    const launched = start(2, "let count = 0; process.on('SIGINT', () => { console.error('signal ' + ++count); if (count === 2) process.exit(130) }); console.error('ready'); setInterval(() => {}, 1000)")
    await launched.said('ready', 2)
    launched.child.kill('SIGINT')
    await launched.said('signal 1', 2)
    // What comes within 300 ms is the same keypress; and later ones until it is taken for a second one.
    const again = setInterval(() => launched.child.kill('SIGINT'), 400)
    const { code } = await launched.end
    clearInterval(again)
    expect(code).toBe(130)
  })

  it('that is killed leaves nobody, not even a rank that does not listen', async () => {
    const launched = start(2, "endWithLauncher(rank); process.on('SIGTERM', () => process.exit(143)); console.error('ready'); setInterval(() => {}, 1000)")
    const pids = await ranksOf(launched.child.pid!, 2)
    await launched.said('ready', 2)
    expect(pids.map(isRunning)).toEqual([true, true])
    launched.child.kill('SIGKILL')
    await ended(pids)
  })

  it('tells of a program that cannot be started', async () => {
    const { launch } = await import('../../lib/distributed/launch.ts')
    await expect(launch({ processes: 2, command: ['/nowhere/at/all'], port: 1, env: {}, say: () => {} })).rejects.toThrow('ENOENT')
  })
})
