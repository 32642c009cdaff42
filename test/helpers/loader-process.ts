/** Processes that run a loader of their own, to see how they end. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { LoaderSpec } from '../../lib/native/addon.ts'
import { packageRoot } from '../../lib/native/load.ts'

/** A script that has `loadAddon`, `spec` and a `loader` made from it, and goes on with `more`. */
export function withLoader(more: string): string {
  return `
    import { loadAddon } from ${JSON.stringify(pathToFileURL(path.join(packageRoot(), 'lib/native/load.ts')).href)}
    const spec = JSON.parse(process.env.SPEC, (_, value) => value?.array === undefined ? value : new globalThis[value.array](value.values))
    const loader = loadAddon().createLoader(spec)
    ${more}`
}

/** A script that runs `worker` in three worker threads, one after the other: one ends, one calls process.exit, one is terminated. Prints each exit code. */
export function inWorkers(worker: string): string {
  return `
    import { Worker } from 'node:worker_threads'
    for (const way of ['ends', 'exit', 'terminate']) {
      const source = ${JSON.stringify(worker)} + (way === 'exit' ? '; process.exit(0)' : way === 'terminate' ? '; setInterval(() => undefined, 1000)' : '')
      const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(source)), { env: process.env })
      if (way === 'terminate') setTimeout(() => worker.terminate(), 400)
      const code = await new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject))
      console.log(way, code)
    }`
}

/** Runs a script of these in a process of its own, with limits such as `ulimit -n 256`. */
export function runWithLoader(spec: LoaderSpec, script: string, timeout = 30_000, limits = ':'): SpawnSyncReturns<string> {
  const text = JSON.stringify(spec, (_, value: unknown) => (ArrayBuffer.isView(value) ? { array: value.constructor.name, values: Array.from(value as Uint32Array) } : value))
  return spawnSync('sh', ['-c', `${limits} && exec "$0" "$@"`, process.execPath, '--input-type=module', '-e', script], { encoding: 'utf8', env: { ...process.env, SPEC: text }, timeout })
}
