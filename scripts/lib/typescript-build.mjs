/** Step 4: lib/ compiled to dist/. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { childEnvironment, productNode } from './dependencies.mjs'
import { openLog, SetupFailure } from './report.mjs'
import { remediesFor, runTool } from './run-tool.mjs'

const filesUnder = (folder) =>
  existsSync(folder) ? readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name)).sort() : []

/** What the output depends on, by content: a checkout changes times without changing files. */
function inputsHash(root) {
  const hash = createHash('sha256')
  const extra = ['tsconfig.json', 'tsconfig.build.json', 'node_modules/typescript/package.json']
  for (const file of [...filesUnder(path.join(root, 'lib')), ...extra.map((name) => path.join(root, name))]) {
    hash.update(`${path.relative(root, file)}\0`).update(readFileSync(file)).update('\0')
  }
  return hash.digest('hex')
}

/** @returns {Promise<string>} what was done */
export async function buildTypeScript(root, progress) {
  const compiler = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const dist = path.join(root, 'dist')
  if (!existsSync(compiler)) {
    throw new SetupFailure('the TypeScript compiler is not installed', { looked: [compiler], todo: ['npm ci (development dependencies are needed: NODE_ENV=production or --omit=dev leaves them out)'] })
  }
  const stamp = path.join(dist, '.inputs')
  const wanted = inputsHash(root)
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return 'up to date'
  rmSync(stamp, { force: true })
  removeOrphans(root, dist)
  progress('tsc')
  const log = openLog(root, 'tsc')
  const result = await runTool(productNode(root), [compiler, '-p', 'tsconfig.build.json'], { cwd: root, env: childEnvironment(root), log })
  if (!result.ok) {
    throw new SetupFailure(`tsc: ${result.reason}`, { tail: result.tail, todo: [...remediesFor(result.text), 'correct the errors above'], log: log.file })
  }
  mkdirSync(dist, { recursive: true })
  writeFileSync(stamp, wanted)
  return 'compiled to dist/'
}

/** A source that is gone must not live on in dist/, where an import would still find it. */
function removeOrphans(root, dist) {
  for (const file of filesUnder(dist)) {
    const stem = path.relative(dist, file).replace(/(\.d\.ts|\.js)(\.map)?$/, '')
    if (stem === path.relative(dist, file)) continue
    if (!existsSync(path.join(root, 'lib', `${stem}.ts`))) rmSync(file)
  }
}
