/** `siamtrain demo` as a user starts and ends it. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask, demoConfig, demoWeights, Tab, upload } from '../helpers/demo-server.ts'
import { collect, runCli, startCli } from '../helpers/run-cli.ts'
import { shared } from '../helpers/shared.ts'

const bag = (k: number): string => shared('data', 'vot-bag', `${String(k).padStart(8, '0')}.jpg`)

let dir: string
let frames: string
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'siam-demo-cli-'))
  frames = path.join(dir, 'frames')
  mkdirSync(frames)
  for (let k = 1; k <= 4; k += 1) symlinkSync(bag(k), path.join(frames, `${k}.jpg`))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const args = (...more: string[]): string[] => ['demo', ...more, '--config', demoConfig(), '--weights', demoWeights(), '--threads', '1']

/** Starts it and reads the line that says where it is. */
async function started(...more: string[]) {
  const child = startCli(args(...more, '--json'))
  const finished = collect(child)
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout!.once('data', (chunk: Buffer) => resolve(chunk.toString()))
    void finished.then(({ stderr }) => reject(new Error(stderr)))
  })
  return { child, finished, demo: JSON.parse(line) as { url: string; port: number; folder: string } }
}

describe('siamtrain demo', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('ends by itself on %s, in the middle of tracking, and takes its uploads with it', async (signal, code) => {
    const { child, finished, demo } = await started(frames, '--port', '0')
    expect(demo.url).toBe(`http://127.0.0.1:${demo.port}/`)
    expect((await ask(demo, 'GET', '/')).body.toString()).toContain('<title>siamtrain demo</title>')
    const { source } = (await upload(demo, 'mine', [1, 2, 3].map((k) => ({ name: `${k}.jpg`, bytes: readFileSync(bag(k)) })))).json()
    // A second one that is half there.
    await ask(demo, 'POST', '/api/uploads', { body: JSON.stringify({ name: 'half', files: [{ name: '1.jpg', size: 9 }] }) })
    const tab = new Tab(demo)
    tab.socket.once('open', () => tab.send({ op: 'open', source: source.id }))
    await tab.next('opened')
    tab.send({ op: 'init', run: 1, frame: 0, box: [312.6, 146.9, 106.1, 96.4] })
    await tab.next('box')
    tab.send({ op: 'track', run: 1, through: 100 })
    await tab.next('box')
    expect(existsSync(demo.folder)).toBe(true)
    child.kill(signal)
    const outcome = await finished
    expect([outcome.code, outcome.stderr.trim()]).toEqual([code, 'Ending …'])
    expect(existsSync(demo.folder)).toBe(false)
    expect(await tab.closed).toBe(1001)
  })

  it.each([
    ['no configuration', ['demo', '--weights', '/nowhere.pkl'], 2, /ERR_ARGUMENT required option '--config/],
    ['a source that is not there', args('/nowhere', '--port', '0'), 1, /ERR_DATA .*nowhere.*no such file/],
    ['a precision that is none', args('--precision', 'fp8'), 2, /ERR_ARGUMENT.*'fp32', 'bf16', 'fp16' or 'int8'/],
    ['a port that is none', args('--port', '70000'), 2, /ERR_ARGUMENT.*0 to 65535/],
  ])('fails in one line for %s', async (_, call, code, message) => {
    const outcome = await runCli(call)
    expect([outcome.code, outcome.stdout]).toEqual([code, ''])
    expect(outcome.stderr).toMatch(message)
    expect(outcome.stderr.trim().split('\n')).toHaveLength(1)
  })

  it('says that a port which was asked for is taken', async () => {
    const holder = createServer()
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve))
    const { port } = holder.address() as AddressInfo
    const { code, stderr } = await runCli(args('--port', String(port)))
    holder.close()
    expect(code).toBe(1)
    expect(stderr).toBe(`siamtrain: ERR_IO port ${port} cannot be opened: another program has it (--port 0 takes a free one)\n`)
  })
})
