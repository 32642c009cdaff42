/** A worker_thread that is terminated in the middle of a call of the addon: the process goes on. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { collect } from '../helpers/run-cli.ts'

const load = fileURLToPath(new URL('../../lib/native/load.ts', import.meta.url))

it('survives ten of them', async () => {
  const worker = `Promise.all([import(${JSON.stringify(load)}), import('node:worker_threads')]).then(([{ loadAddon }, { parentPort }]) => {
    const addon = loadAddon()
    const jpeg = addon.encodeJpeg(new Uint8Array(600 * 600 * 3), 600, 600, { quality: 80, subsampling: '420', format: 'bgr' })
    parentPort.postMessage('begins')
    for (;;) addon.decodeJpeg(jpeg)
  })`
  const text = `
    const { Worker } = await import('node:worker_threads')
    for (let i = 0; i < 10; i += 1) {
      const worker = new Worker(${JSON.stringify(worker)}, { eval: true })
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
      await new Promise((resolve) => setTimeout(resolve, 5 * i))
      await worker.terminate()
    }
    console.log('alive')`
  const { code, signal, stdout, stderr } = await collect(spawn(process.execPath, ['--input-type=module', '-e', text], { stdio: ['ignore', 'pipe', 'pipe'] }))
  expect([code, signal, stdout], stderr).toEqual([0, null, 'alive\n'])
})
