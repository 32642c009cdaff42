/** The library for PNG and WebP is loaded, and threads are inside of it: workers and processes end all the same. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { collect } from '../helpers/run-cli.ts'
import { terminateTen } from '../helpers/terminate-workers.ts'

const load = fileURLToPath(new URL('../../lib/native/load.ts', import.meta.url))
const fixtures = JSON.parse(readFileSync(new URL('../fixtures/pictures.json', import.meta.url), 'utf8')) as Record<string, { file: string }>
const bytes = `[${['png rgb 8', 'png rgb 16 interlaced', 'webp lossy', 'webp lossless alpha'].map((kind) => `Buffer.from(${JSON.stringify(fixtures[kind]!.file)}, 'base64')`).join(', ')}]`

it('survives ten workers that are terminated while they decode', async () => {
  const worker = `Promise.all([import(${JSON.stringify(load)}), import('node:worker_threads')]).then(([{ loadAddon }, { parentPort }]) => {
    const addon = loadAddon()
    const frames = ${bytes}
    parentPort.postMessage('begins')
    for (;;) for (const frame of frames) addon.decodeFrame(frame)
  })`
  const { code, signal, stdout, stderr } = await terminateTen(worker, 5)
  expect([code, signal, stdout], stderr).toEqual([0, null, 'alive\n'])
})

it.each([
  ['when its work is done', '', 0],
  ['by process.exit()', 'process.exit(7)', 7],
  ['by an uncaught error', 'throw new Error("mine")', 1],
])('a process that decoded ends %s, also with workers that decode', async (_, last, expected) => {
  for (const workers of [0, 2]) {
    const code = `
      const { Worker, isMainThread, parentPort } = await import('node:worker_threads')
      const { loadAddon } = await import(${JSON.stringify(load)})
      const frames = ${bytes}
      for (const frame of frames) loadAddon().decodeFrame(frame)
      const text = ${JSON.stringify(`Promise.all([import(${JSON.stringify(load)}), import('node:worker_threads')]).then(([{ loadAddon }, { parentPort }]) => { const addon = loadAddon(); const frames = ${bytes}; parentPort.postMessage(1); for (;;) for (const frame of frames) addon.decodeFrame(frame) })`)}
      for (let i = 0; i < ${workers}; i += 1) {
        const worker = new Worker(text, { eval: true })
        await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
        worker.unref()
      }
      ${last}`
    const outcome = await collect(spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'pipe'] }))
    expect([outcome.code, outcome.signal, outcome.stdout], outcome.stderr).toEqual([expected, null, ''])
    expect(outcome.stderr.replaceAll(/[^]*Error: mine[^]*/g, '')).toBe('')
  }
})
