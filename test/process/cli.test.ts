/** The frame of the command line: help, wrong calls, exit codes, signals, pipes, and the launcher. */
import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { collect, runCli } from '../helpers/run-cli.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const common = path.join(root, 'lib', 'cli', 'common.ts')

/** Runs a few lines of JavaScript that may use lib/cli/common.ts. */
function script(text: string) {
  return spawn(process.execPath, ['--input-type=module', '-e', `const common = await import(${JSON.stringify(common)});\n${text}`], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
}

async function commandNames(): Promise<string[]> {
  const { stdout } = await runCli(['--help'])
  const list = /Commands:\n([\s\S]*?)\n\n/.exec(stdout)?.[1] ?? ''
  return [...list.matchAll(/^ {2}(\w+)/gm)].map((match) => match[1]!)
}

describe('help', () => {
  it('lists the commands, with examples and exit codes', async () => {
    const { code, stdout, stderr } = await runCli(['--help'])
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toContain('Examples:')
    expect(stdout).toContain('Exit codes: 0 done, 1 failed, 2 wrong call')
    expect(await commandNames()).toContain('doctor')
  })

  it('answers within 300 ms, since it loads no command', async () => {
    const seconds: number[] = []
    for (let i = 0; i < 5; i++) seconds.push((await runCli(['--help'])).seconds)
    expect(Math.min(...seconds)).toBeLessThan(0.3)
  })

  it('every command has help with an example, by --help and by help NAME', async () => {
    const names = await commandNames()
    expect(names.length).toBeGreaterThan(0)
    for (const name of names) {
      const { code, stdout } = await runCli([name, '--help'])
      expect([name, code]).toEqual([name, 0])
      expect(stdout).toMatch(new RegExp(`Examples?:\\s[\\s\\S]*siamtrain ${name}`))
    }
    expect((await runCli(['help', names[0]!])).stdout).toContain(`siamtrain ${names[0]}`)
  })

  it('--version is the package\'s', async () => {
    const { code, stdout } = await runCli(['--version'])
    expect([code, stdout]).toEqual([0, '0.1.0\n'])
  })

  it('has no colour codes', async () => {
    const { stdout } = await runCli(['--help'], { env: { NO_COLOR: '1', FORCE_COLOR: '0' } })
    expect(stdout).not.toContain('\u001B[')
  })
})

describe('a wrong call ends with 2 and one line', () => {
  it.each([
    [['doctr'], "siamtrain: ERR_ARGUMENT unknown command 'doctr' (did you mean 'doctor'? siamtrain --help lists the commands)\n"],
    [['xyzzyplugh'], "siamtrain: ERR_ARGUMENT unknown command 'xyzzyplugh' (siamtrain --help lists the commands)\n"],
    [['doctor', '--nope'], "siamtrain: ERR_ARGUMENT unknown option '--nope' (add --help for the usage)\n"],
    [['--nope'], "siamtrain: ERR_ARGUMENT unknown option '--nope' (add --help for the usage)\n"],
  ])('%j', async (args, expected) => {
    const { code, stdout, stderr } = await runCli(args)
    expect(code).toBe(2)
    expect(stderr).toBe(expected)
    expect(stdout).toBe('')
  })

  it('no command at all', async () => {
    const { code, stderr } = await runCli([])
    expect(code).toBe(2)
    expect(stderr).toMatch(/^siamtrain: ERR_ARGUMENT no command was given .*doctor.*\n$/)
  })
})

describe('errors', () => {
  const report = (error: string, debug: boolean) => collect(script(`const { SiamError } = await import(${JSON.stringify(path.join(root, 'lib/errors.ts'))});\nprocess.exitCode = common.reportError(${error}, ${debug})`))

  it('are one line, with the stack and the causes only with --debug', async () => {
    const error = "new SiamError('ERR_DATA', 'first\\nsecond', { file: 'a.txt', line: 3, hint: 'mend it', cause: new Error('below') })"
    const plain = await report(error, false)
    expect([plain.code, plain.stderr]).toEqual([1, 'siamtrain: ERR_DATA a.txt:3: first second (mend it)\n'])
    const debug = await report(error, true)
    expect(debug.stderr).toContain('\n    at ')
    expect(debug.stderr).toContain('Error: below')
  })

  it('a bug of ours is ERR_INTERNAL and says how to see more', async () => {
    const { code, stderr } = await report("new TypeError('x is not a function')", false)
    expect([code, stderr]).toEqual([1, 'siamtrain: ERR_INTERNAL x is not a function (run it again with --debug for the stack)\n'])
  })
})

describe('signals', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s aborts the work, which finishes, and the process ends with %i', async (signal, expected) => {
    const child = script(`try {
  await common.withSignals((abort) => new Promise((resolve, reject) => {
    const busy = setInterval(() => {}, 1000)
    abort.addEventListener('abort', () => { clearInterval(busy); setTimeout(() => { process.stdout.write('saved\\n'); reject(abort.reason) }, 50) })
    process.stdout.write('ready\\n')
  }))
} catch (error) { process.exitCode = common.reportError(error, false) }`)
    child.stdout.once('data', () => child.kill(signal))
    const { code, stdout, stderr } = await collect(child)
    expect([code, stdout, stderr]).toEqual([expected, 'ready\nsaved\n', `siamtrain: ERR_ABORTED stopped by ${signal}\n`])
  })

  it('a second SIGINT ends it at once; one that comes right behind the first is the same keypress', async () => {
    const child = script(`await common.withSignals((abort) => new Promise(() => {
    setInterval(() => {}, 1000)
    abort.addEventListener('abort', () => process.stdout.write('finishing\\n'))
    process.stdout.write('ready\\n')
  }))`)
    const received: string[] = []
    child.stdout.on('data', (chunk: Buffer) => {
      received.push(chunk.toString())
      if (received.length === 1) child.kill('SIGINT')
      else {
        child.kill('SIGINT') // npm passes on what the terminal sent already
        setTimeout(() => {
          received.push('still there')
          child.kill('SIGINT')
        }, 500)
      }
    })
    const signal = new Promise<NodeJS.Signals | null>((resolve) => child.once('exit', (_code, by) => resolve(by)))
    expect(await signal).toBe('SIGINT') // a shell shows 130
    expect(received.join('')).toBe('ready\nfinishing\nstill there')
  })
})

describe('pipes', () => {
  it('a reader that leaves early ends the program quietly', async () => {
    const child = script(`common.surviveBrokenPipes()
setInterval(() => process.stdout.write('line\\n'.repeat(10_000)), 1)`)
    child.stdout.once('data', () => child.stdout.destroy())
    const { code, stderr } = await collect(child)
    expect([code, stderr]).toEqual([141, ''])
  })
})

describe('bin/siamtrain.js', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'siamtrain-'))
    for (const name of ['bin/siamtrain.js', 'scripts/lib/hand-over.mjs']) cpSync(path.join(root, name), path.join(folder, name))
    writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }')
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  const build = (body: string) => {
    mkdirSync(path.join(folder, 'dist/cli'), { recursive: true })
    writeFileSync(path.join(folder, 'dist/cli/index.js'), `export async function main(args) { ${body} }`)
  }
  const launch = (args: string[], node: string[] = []) => spawn(process.execPath, [...node, path.join(folder, 'bin/siamtrain.js'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const oldNode = ['--import', 'data:text/javascript,Object.defineProperty(process.versions,"node",{value:"20.17.0"})']

  it('says what to run when nothing is built', async () => {
    const { code, stderr } = await collect(launch(['doctor']))
    expect([code, stderr]).toEqual([1, `siamtrain: ERR_SETUP not built yet: run npm run setup in ${folder}/\n`])
  })

  it('hands its arguments to dist/cli', async () => {
    build('console.log(JSON.stringify(args)); process.exitCode = 7')
    const { code, stdout } = await collect(launch(['train', '--json', 'a b']))
    expect([code, stdout]).toEqual([7, '["train","--json","a b"]\n'])
  })

  it('on an old Node runs again with the one in node_modules, and passes on exit codes and signals', async () => {
    build(`console.log(process.argv0); process.on('SIGTERM', () => process.exit(143)); setTimeout(() => { process.exitCode = 5 }, args[0] === 'wait' ? 10_000 : 0)`)
    mkdirSync(path.join(folder, 'node_modules/node/bin'), { recursive: true })
    const newer = path.join(folder, 'node_modules/node/bin/node')
    writeFileSync(newer, `#!/bin/sh\nexec "${process.execPath}" "$@"\n`, { mode: 0o755 })
    const { code, stdout } = await collect(launch(['x'], oldNode))
    expect(code).toBe(5)
    expect(stdout).not.toBe('')
    const waiting = launch(['wait'], oldNode)
    waiting.stdout.once('data', () => waiting.kill('SIGTERM'))
    expect((await collect(waiting)).code).toBe(143)
  })

  it('on an old Node with no newer one says what is needed', async () => {
    build('console.log(args)')
    const { code, stderr } = await collect(launch(['x'], oldNode))
    expect(code).toBe(1)
    expect(stderr).toMatch(/ERR_SETUP Node v\d+.* is too old: 22\.18 or newer is needed/)
  })
})
