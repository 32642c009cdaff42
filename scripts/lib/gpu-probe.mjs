/** Asks the addon, in a process of its own, whether it can use a GPU here. */
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { childEnvironment, productNode } from './dependencies.mjs'
import { probe } from './run-tool.mjs'

/**
 * @param {string} root
 * @returns {{available: boolean, reason: string, broken?: true}} broken: the addon itself did not load or ended
 */
export function probeGpu(root) {
  const load = pathToFileURL(path.join(root, 'lib', 'native', 'load.ts')).href
  const script = `const { loadAddon } = await import(${JSON.stringify(load)})
    const { available, reason } = await loadAddon().cudaAvailable()
    process.stdout.write(JSON.stringify({ available, reason }))`
  const result = probe(productNode(root), ['--input-type=module', '-e', script], { env: childEnvironment(root), timeout: 120_000 })
  try {
    return JSON.parse(result.stdout)
  } catch {
    return { available: false, broken: true, reason: `the addon does not load: ${result.stderr.split('\n').find((line) => /^\s*\w*Error\b/.test(line))?.trim() ?? result.reason}` }
  }
}

/** @returns {string[]} the GPU tests, relative to the root */
export function gpuTests(root) {
  const folder = path.join(root, 'test', 'gpu')
  if (!existsSync(folder)) return []
  return readdirSync(folder).filter((name) => /\.test\.[jt]s$/.test(name)).toSorted().map((name) => path.join('test', 'gpu', name))
}
