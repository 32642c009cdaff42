/**
 * npm run pack:gpu: packs what a machine with a GPU needs that has neither Node nor a network, into a folder to be copied there.
 *
 *   npm run pack:gpu -- [FOLDER]     .gpu-pack by default
 *     --beside-checkout    leave out what version control tracks: the folder travels inside of a checkout
 *     --no-shared          leave out ../shared (the golden numbers and frames that tests read)
 *     --no-prebuilt        leave out the addon that is built here: it is built there
 *     --limit MIB          fail when it gets bigger, the tracked files counted with --beside-checkout (64)
 *     --skip-setup         pack what is there, without set-up before
 *
 * There: `sh FOLDER/setup.sh`, then `sh FOLDER/run.sh test`. See docs/gpu-tests.md.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, copyFileSync, existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { productNode } from './lib/dependencies.mjs'
import { rewriteSearchPath } from './lib/elf-rpath.mjs'
import { isPackedFile, packedPackages } from './lib/pack-modules.mjs'
import { probe, which } from './lib/run-tool.mjs'
import { readState } from './lib/state.mjs'
import { usageOf } from './lib/usage.mjs'
import { root, setupCommand } from './setup.mjs'

const MIB = 2 ** 20
/** Where set-up there puts a link to its libtorch, seen from build/Release. */
const LIBTORCH_THERE = '$ORIGIN/../libtorch'

/** Files under a folder, named as it is: relative to the root or absolute; links are not followed. */
function filesUnder(folder) {
  const full = path.resolve(root, folder)
  if (!existsSync(full)) return []
  return readdirSync(full, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(folder, path.relative(full, path.join(entry.parentPath, entry.name))))
}

function trackedFiles() {
  const { ok, stdout, stderr, reason } = probe('git', ['ls-files', '-z'], { cwd: root, maxBuffer: 64 * MIB })
  if (!ok) throw new Error(`git ls-files: ${stderr.trim() || reason}`)
  return stdout.split('\0').filter((name) => name !== '' && existsSync(path.join(root, name)))
}

/** A file of the checkout in the folder that is packed: the same bytes, not copied where both are on one disk. */
function stage(folder, file, from = path.join(root, file)) {
  const to = path.join(folder, file)
  mkdirSync(path.dirname(to), { recursive: true })
  try {
    linkSync(from, to)
  } catch {
    copyFileSync(from, to)
  }
}

/** tar | xz, on all cores, in blocks that are unpacked on all cores, too. */
function compress(folder, names, target) {
  const temporary = `${target}.part`
  return new Promise((resolve, reject) => {
    const fail = (name) => (error) => reject(new Error(`${name}: ${error.message}`))
    const tar = spawn('tar', ['-C', folder, '--owner=0', '--group=0', '--numeric-owner', '-c', ...names], { stdio: ['ignore', 'pipe', 'inherit'] })
    const xz = spawn('sh', ['-c', `exec xz -T0 -6 --block-size=8MiB > "$0"`, temporary], { stdio: ['pipe', 'inherit', 'inherit'] })
    tar.on('error', fail('tar'))
    xz.on('error', fail('xz'))
    tar.stdout.pipe(xz.stdin)
    let tarCode = 0
    tar.on('close', (code) => (tarCode = code ?? 1))
    xz.on('close', (code) => {
      if (code !== 0 || tarCode !== 0) return reject(new Error(`packing ${path.basename(target)} failed (tar ${tarCode}, xz ${code})`))
      renameSync(temporary, target)
      resolve(undefined)
    })
  })
}

/**
 * An archive of parts that seldom change, which take long to pack: kept under .cache by what they are made of.
 * @param {string} name
 * @param {string[]} sources  files, absolute or relative to the root
 * @param {(folder: string) => void} fill  puts what is packed into a folder
 * @returns {Promise<string>} the archive
 */
async function keptArchive(name, sources, fill) {
  const hash = createHash('sha256').update(readFileSync(fileURLToPath(import.meta.url)))
  for (const file of sources.map((source) => path.resolve(root, source)).toSorted()) {
    const { size, mtimeMs } = statSync(file)
    hash.update(`${path.relative(root, file)} ${size} ${Math.round(mtimeMs)}\n`)
  }
  const cache = path.join(root, '.cache')
  const kept = `gpu-pack-${name}-${hash.digest('hex').slice(0, 16)}.tar.xz`
  if (existsSync(path.join(cache, kept))) return path.join(cache, kept)
  const folder = mkdtempSync(path.join(cache, 'gpu-pack-'))
  try {
    fill(folder)
    await compress(folder, readdirSync(folder), path.join(cache, kept))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  for (const old of readdirSync(cache)) if (old.startsWith(`gpu-pack-${name}-`) && old !== kept) rmSync(path.join(cache, old), { force: true })
  return path.join(cache, kept)
}

function stageNode(folder) {
  const node = productNode(root)
  const copy = path.join(folder, 'node_modules', 'node', 'bin', 'node')
  mkdirSync(path.dirname(copy), { recursive: true })
  copyFileSync(node, copy)
  chmodSync(copy, 0o755)
  // A tenth less; what addons link with is kept.
  if (which('strip') !== undefined && !(probe('strip', [copy]).ok && probe(copy, ['--version']).ok)) copyFileSync(node, copy)
  mkdirSync(path.join(folder, 'node_modules', '.bin'), { recursive: true })
  symlinkSync('../node/bin/node', path.join(folder, 'node_modules', '.bin', 'node'))
}

function moduleFiles() {
  return packedPackages(root).flatMap((place) => filesUnder(place).filter((file) => !file.slice(place.length).includes('/node_modules/') && isPackedFile(file)))
}

/** The addon and the programs built with it, made to find libtorch through a link beside them. @returns {string[]} their names */
function stagePrebuilt(folder) {
  const here = readState(root).libtorch?.path
  if (here === undefined) throw new Error('build/setup.json does not say which libtorch the addon was built with: run npm run setup')
  const release = filesUnder(path.join('build', 'Release')).filter((file) => !file.endsWith('.a'))
  if (!release.some((file) => file.endsWith('.node'))) throw new Error('the addon is not built: run npm run setup')
  for (const file of release) {
    const to = path.join(folder, file)
    mkdirSync(path.dirname(to), { recursive: true })
    copyFileSync(path.join(root, file), to)
    rewriteSearchPath(to, (entry) => (entry === here || entry.startsWith(`${here}/`) ? LIBTORCH_THERE + entry.slice(here.length) : entry))
  }
  return release
}

/** The test material that is packed: absolute paths. */
function sharedFiles(shared) {
  if (!existsSync(shared)) throw new Error(`${shared} is not there (SIAMFCPP_SHARED moves it; --no-shared leaves it out)`)
  return ['golden', 'reference-configs', path.join('data', 'vot-bag')].flatMap((part) => filesUnder(path.join(shared, part)))
}

async function pack(out, options) {
  mkdirSync(path.join(root, '.cache'), { recursive: true })
  mkdirSync(out, { recursive: true })
  const archives = [['node', await keptArchive('node', [productNode(root)], stageNode)]]
  const modules = moduleFiles()
  archives.push(['modules', await keptArchive('modules', modules, (folder) => modules.forEach((file) => stage(folder, file)))])
  if (options.shared) {
    const shared = path.resolve(process.env.SIAMFCPP_SHARED ?? path.join(root, '..', 'shared'))
    const files = sharedFiles(shared)
    archives.push(['shared', await keptArchive('shared', files, (folder) => files.forEach((file) => stage(folder, path.join('.cache', 'shared', path.relative(shared, file)), file)))])
  }
  const tracked = trackedFiles()
  const folder = mkdtempSync(path.join(root, '.cache', 'gpu-pack-'))
  try {
    for (const file of filesUnder('dist')) if (!file.endsWith('.map') && !file.endsWith('.d.ts')) stage(folder, file)
    if (options.prebuilt) stagePrebuilt(folder)
    if (!options.besideCheckout) for (const file of tracked) stage(folder, file)
    archives.push(['product', path.join(out, 'product.tar.xz')])
    await compress(folder, readdirSync(folder), path.join(out, 'product.tar.xz'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  for (const old of readdirSync(out)) if (old.endsWith('.tar.xz') && !archives.some(([name]) => `${name}.tar.xz` === old)) rmSync(path.join(out, old))
  for (const [name, file] of archives) if (path.dirname(file) !== out) copyFileSync(file, path.join(out, `${name}.tar.xz`))
  for (const script of ['setup.sh', 'run.sh']) copyFileSync(path.join(root, 'scripts', 'gpu-pack', script), path.join(out, script))
  const commit = probe('git', ['describe', '--always', '--dirty'], { cwd: root }).stdout.trim()
  writeFileSync(path.join(out, 'pack.json'), `${JSON.stringify({ besideCheckout: options.besideCheckout, prebuilt: options.prebuilt, shared: options.shared, commit }, null, 2)}\n`)
  const names = [...archives.map(([name]) => `${name}.tar.xz`), 'setup.sh', 'run.sh', 'pack.json']
  return {
    bytes: names.reduce((sum, name) => sum + statSync(path.join(out, name)).size, 0),
    beside: options.besideCheckout ? tracked.reduce((sum, file) => sum + statSync(path.join(root, file)).size, 0) : 0,
  }
}

function readArguments() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      'beside-checkout': { type: 'boolean', default: false },
      'no-shared': { type: 'boolean', default: false },
      'no-prebuilt': { type: 'boolean', default: false },
      'skip-setup': { type: 'boolean', default: false },
      limit: { type: 'string', default: '64' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (positionals.length > 1) throw new Error(`Expected one folder but received ${positionals.join(' ')}`)
  const limit = Number(values.limit)
  if (!(limit > 0)) throw new Error(`Expected a number of MiB above 0 for --limit but received ${values.limit}`)
  return {
    help: values.help,
    out: path.resolve(positionals[0] ?? path.join(root, '.gpu-pack')),
    limit,
    skipSetup: values['skip-setup'],
    options: { besideCheckout: values['beside-checkout'], shared: !values['no-shared'], prebuilt: !values['no-prebuilt'] },
  }
}

async function main() {
  let call
  try {
    call = readArguments()
  } catch (error) {
    process.stderr.write(`pack-gpu: ${error.message}\n`)
    return 2
  }
  if (call.help) {
    process.stdout.write(usageOf(import.meta.url))
    return 0
  }
  const missing = ['tar', 'xz'].filter((tool) => which(tool) === undefined)
  if (missing.length > 0) {
    process.stderr.write(`pack-gpu: ${missing.join(' and ')} is not on PATH (Debian, Ubuntu: xz-utils)\n`)
    return 1
  }
  if (!call.skipSetup && (await setupCommand(undefined, 'npm run pack:gpu')) !== 0) return 1
  try {
    const { bytes, beside } = await pack(call.out, call.options)
    const total = (bytes + beside) / MIB
    const size = `${(bytes / MIB).toFixed(1)} MiB${beside === 0 ? '' : `, with the ${(beside / MIB).toFixed(1)} MiB that are tracked ${total.toFixed(1)} MiB`}`
    process.stdout.write(`packed ${call.out}: ${size}\n`)
    if (total <= call.limit) return 0
    process.stderr.write(`pack-gpu: that is more than ${call.limit} MiB; --no-shared or --no-prebuilt make it smaller\n`)
    return 1
  } catch (error) {
    process.stderr.write(`pack-gpu: ${error.message}\n`)
    return 1
  }
}

process.exitCode = await main()
