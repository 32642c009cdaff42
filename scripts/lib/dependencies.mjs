/** Step 1: the npm packages of the lock file, and a current Node among them. */
import { existsSync, lstatSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { openLog, SetupFailure } from './report.mjs'
import { probe, remediesFor, runTool, which } from './run-tool.mjs'

/** Node that the product itself needs; set-up runs on {@link MIN_SETUP_NODE}. */
export const MIN_NODE = [22, 18]
export const MIN_SETUP_NODE = [20, 17]

/** @returns {boolean} whether a version text such as v22.18.0 is at least [major, minor] */
export function atLeast(version, [major, minor]) {
  const [have, haveMinor] = version.replace(/^v/, '').split('.').map(Number)
  return have > major || (have === major && haveMinor >= minor)
}

/**
 * Compares what is installed with the lock file, package by package. Optional packages of other platforms may be absent; one that is
 * ready-built for this platform counts when the lock file is newer than the installation, so that an update brings it once and a machine
 * that leaves it out is not asked again.
 * @returns {string | undefined} why an installation is needed, or undefined
 */
export function staleDependencies(root) {
  const modules = path.join(root, 'node_modules')
  if (!existsSync(modules)) return 'node_modules is missing'
  let wanted
  let installed
  try {
    wanted = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')).packages
  } catch (error) {
    throw new SetupFailure(`package-lock.json cannot be read: ${error.message}`, { todo: ['restore it from version control'] })
  }
  try {
    installed = JSON.parse(readFileSync(path.join(modules, '.package-lock.json'), 'utf8')).packages
  } catch {
    return 'an earlier installation did not finish'
  }
  const lockIsNewer = changedAt(path.join(root, 'package-lock.json')) > changedAt(path.join(modules, '.package-lock.json'))
  for (const [place, entry] of Object.entries(wanted)) {
    const isBuiltForUs = entry.optional === true && entry.dev !== true && entry.os?.includes(process.platform) === true && entry.cpu?.includes(process.arch) === true
    if (isBuiltForUs && lockIsNewer && installed[place] === undefined) return `${place} is missing`
    if (place === '' || entry.optional === true || entry.devOptional === true || entry.peer === true) continue
    const have = installed[place]
    if (have === undefined) return `${place} is missing`
    if (have.version !== entry.version) return `${place} is ${have.version}, the lock file says ${entry.version}`
    if (!existsSync(path.join(root, place, 'package.json'))) return `${place} is damaged`
  }
  if (wanted['node_modules/node'] !== undefined && !nodeRuns(bundledNode(root))) return 'node_modules/node has no working binary'
  return undefined
}

function changedAt(file) {
  return statSync(file).mtimeMs
}

function bundledNode(root) {
  return path.join(root, 'node_modules', 'node', 'bin', 'node')
}

function nodeRuns(file) {
  if (!existsSync(file)) return false
  const result = probe(file, ['--version'])
  return result.ok && atLeast(result.stdout.trim(), MIN_NODE)
}

/** @returns {string} a Node that the product runs on: the dev-dependency's, else our own */
export function productNode(root) {
  const bundled = bundledNode(root)
  if (existsSync(bundled)) return bundled
  if (atLeast(process.version, MIN_NODE)) return process.execPath
  throw new SetupFailure(`Node ${process.version} is too old and node_modules has no newer one`, {
    todo: [`install Node ${MIN_NODE.join('.')} or newer, or remove node_modules and run npm run setup`],
    looked: [bundled, `${process.execPath} (${process.version})`],
  })
}

/** @returns {NodeJS.ProcessEnv} our environment with node_modules/.bin (and so the current Node) first on PATH */
export function childEnvironment(root, extra = {}) {
  return { ...process.env, PATH: `${path.join(root, 'node_modules', '.bin')}${path.delimiter}${process.env.PATH ?? ''}`, ...extra }
}

/** Installs when something is missing or of another version than the lock file's. @returns {Promise<string>} what was done */
export async function installDependencies(root, progress) {
  const modules = path.join(root, 'node_modules')
  const reason = staleDependencies(root)
  if (reason === undefined) return 'up to date'
  if (existsSync(modules) && lstatSync(modules).isSymbolicLink()) {
    // npm ci would empty the folder that the link points to, which belongs to another checkout.
    return `left alone: node_modules is a link (${reason})`
  }
  const npm = which('npm')
  if (npm === undefined) {
    throw new SetupFailure('npm is not on PATH', { todo: ['install npm (it comes with Node.js)'], looked: (process.env.PATH ?? '').split(path.delimiter) })
  }
  progress(`npm ci: ${reason}`)
  const log = openLog(root, 'npm-ci')
  // The package's own install script builds the addon for people who depend on it; here that is the third step.
  const env = { ...process.env, SIAMFCPP_SKIP_INSTALL: '1' }
  const result = await runTool(npm, ['ci', '--no-audit', '--no-fund'], { cwd: root, env, log, onLine: progress })
  if (!result.ok) {
    throw new SetupFailure(`npm ci: ${result.reason}`, {
      tail: result.tail,
      todo: [...remediesFor(result.text), 'or install by hand: npm ci'],
      log: log.file,
    })
  }
  const still = staleDependencies(root)
  if (still !== undefined) {
    throw new SetupFailure(`npm ci succeeded, but ${still}`, {
      todo: [
        'allow install scripts (npm config get ignore-scripts must be false)',
        'remove node_modules and try again',
      ],
      log: log.file,
    })
  }
  return `installed (${reason})`
}
