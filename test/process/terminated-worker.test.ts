/** A worker_thread that is terminated in the middle of a call of the addon: the process goes on. */
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { terminateTen } from '../helpers/terminate-workers.ts'

const load = fileURLToPath(new URL('../../lib/native/load.ts', import.meta.url))

it('survives ten of them', async () => {
  const worker = `Promise.all([import(${JSON.stringify(load)}), import('node:worker_threads')]).then(([{ loadAddon }, { parentPort }]) => {
    const addon = loadAddon()
    const jpeg = addon.encodeJpeg(new Uint8Array(600 * 600 * 3), 600, 600, { quality: 80, subsampling: '420', format: 'bgr' })
    parentPort.postMessage('begins')
    for (;;) addon.decodeJpeg(jpeg)
  })`
  const { code, signal, stdout, stderr } = await terminateTen(worker, 5)
  expect([code, signal, stdout], stderr).toEqual([0, null, 'alive\n'])
})
