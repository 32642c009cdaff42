/** The package as npm would publish it: what is in it, and that a project that depends on it can import, require, type-check and run it. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
let folder: string
let installed: string

const run = (command: string, args: string[], env: Record<string, string> = {}) => execFileSync(command, args, { cwd: folder, encoding: 'utf8', env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
const node = (...args: string[]) => run(process.execPath, args)

beforeAll(() => {
  if (!existsSync(path.join(root, 'dist/index.js'))) throw new Error('dist/ is not built: run npm run setup')
  folder = mkdtempSync(path.join(os.tmpdir(), 'siamfcpp-package-'))
  installed = path.join(folder, 'node_modules/siamfcpp-native')
  const tarball = execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], { cwd: root, encoding: 'utf8' }).trim().split('\n').at(-1)!
  mkdirSync(installed, { recursive: true })
  execFileSync('tar', ['-xzf', path.join(folder, tarball), '--strip-components=1', '-C', installed])
  const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { dependencies: Record<string, string> }
  for (const name of [...Object.keys(manifest.dependencies), '@types/node', 'undici-types']) {
    const target = path.join(folder, 'node_modules', name)
    mkdirSync(path.dirname(target), { recursive: true })
    symlinkSync(realpathSync(path.join(root, 'node_modules', name)), target)
  }
  writeFileSync(path.join(folder, 'package.json'), '{ "name": "dependent", "type": "module" }')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the tarball', () => {
  it('has what it needs to build and run, and nothing of the workshop', () => {
    for (const file of ['README.md', 'LICENSE', 'CHANGELOG.md', 'CMakeLists.txt', 'bin/siamtrain.js', 'dist/index.js', 'dist/index.d.ts', 'dist/cli/index.js', 'scripts/install.mjs', 'native/binding/registration.cc', 'configs/quickstart.yaml', 'lib/demo/page/index.html']) {
      expect(existsSync(path.join(installed, file)), file).toBe(true)
    }
    for (const file of ['test', 'bench', 'build', 'node_modules', '.ci', 'tsconfig.json', 'dist/.inputs', 'dist/.tsbuildinfo']) expect(existsSync(path.join(installed, file)), file).toBe(false)
  })

  it('names no module that is not a dependency', () => {
    const dist = readdirSync(path.join(installed, 'dist'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.js'))
    const manifest = JSON.parse(readFileSync(path.join(installed, 'package.json'), 'utf8')) as { dependencies: Record<string, string> }
    const allowed = new Set(Object.keys(manifest.dependencies))
    const used = dist.flatMap((name) => [...readFileSync(path.join(installed, 'dist', name), 'utf8').matchAll(/(?:^|\n)(?:import|export)[^'"\n]*from ['"]([^'".][^'"]*)['"]/g)].map((match) => match[1]!))
    const packages = used.filter((name) => !name.startsWith('node:')).map((name) => name.split('/').slice(0, name.startsWith('@') ? 2 : 1).join('/'))
    expect(packages.filter((name) => !allowed.has(name))).toEqual([])
    expect(packages).toContain('zod')
  })
})

describe('a dependent', () => {
  it('imports and requires it, with the same names, without the addon being built', () => {
    const imported = node('--input-type=module', '-e', "console.log(JSON.stringify(Object.keys(await import('siamfcpp-native')).sort()))")
    const required = node('--input-type=commonjs', '-e', "console.log(JSON.stringify(Object.keys(require('siamfcpp-native')).filter((name) => name !== '__esModule').sort()))")
    expect(required).toBe(imported)
    expect(JSON.parse(imported)).toEqual(expect.arrayContaining(['Monitor', 'RegularTrainer', 'SiamError', 'Tensor', 'TensorboardLogger', 'buildTrainer', 'loadConfig', 'registerDataset']))
  })

  it('imports the TFEvents writer on its own', () => {
    expect(node('--input-type=module', '-e', "console.log(Object.keys(await import('siamfcpp-native/tfevents')).length > 0)")).toBe('true\n')
  })

  it('type-checks against its declarations', () => {
    writeFileSync(path.join(folder, 'use.ts'), "import { loadConfig, SiamError, type Config } from 'siamfcpp-native'\nexport const config: Promise<Config> = loadConfig('a.yaml', ['b=1'])\nexport const code: string = new SiamError('ERR_DATA', 'x').code\n")
    writeFileSync(path.join(folder, 'wrong.ts'), "import { loadConfig } from 'siamfcpp-native'\nexport const config: number = loadConfig(1)\n")
    const tsc = (file: string) => node(path.join(root, 'node_modules/typescript/bin/tsc'), '--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--lib', 'es2023,esnext.disposable', '--types', 'node', file)
    expect(tsc('use.ts')).toBe('')
    expect(() => tsc('wrong.ts')).toThrow()
  })

  it('gets ERR_SETUP with the remedy from what needs the addon', () => {
    const text = node('--input-type=module', '-e', "const { Tensor } = await import('siamfcpp-native'); try { Tensor.from(new Float32Array(1), [1]) } catch (error) { console.log(error.code, error.hint) }")
    expect(text).toMatch(/^ERR_SETUP .*npm run setup/)
  })

  it('has the command line', () => {
    expect(node(path.join(installed, 'bin/siamtrain.js'), '--version')).toBe('0.1.0\n')
  })

  it('has all of the demo page', () => {
    const module = JSON.stringify(path.join(installed, 'dist/demo/page-files.js'))
    const names = JSON.parse(node('--input-type=module', '-e', `const { readPageFiles } = await import(${module}); console.log(JSON.stringify([...(await readPageFiles()).keys()]))`)) as string[]
    const ours = readdirSync(path.join(root, 'lib/demo/page')).map((name) => (name === 'index.html' ? '/' : `/${name}`))
    expect(ours.length).toBeGreaterThan(10)
    expect(names.sort()).toEqual(ours.sort())
  })

  it('is not refused by a build that fails, which explains itself', () => {
    const empty = path.join(folder, 'empty')
    mkdirSync(empty)
    const env = { PATH: empty, SIAMFCPP_LIBTORCH: '', XDG_CACHE_HOME: path.join(folder, 'cache') }
    const script = path.join(installed, 'scripts/install.mjs')
    const lenient = execFileSync('/bin/sh', ['-c', `"${process.execPath}" "${script}" 2>&1; echo "exit $?"`], { cwd: installed, encoding: 'utf8', env })
    expect(lenient).toContain('python3 is not on PATH')
    expect(lenient).toContain('siamfcpp-native is installed, but its C++ part is not built')
    expect(lenient.trimEnd().split('\n').at(-1)).toBe('exit 0')
    const strict = execFileSync('/bin/sh', ['-c', `"${process.execPath}" "${script}" 2>&1; echo "exit $?"`], { cwd: installed, encoding: 'utf8', env: { ...env, SIAMFCPP_INSTALL: 'strict' } })
    expect(strict.trimEnd().split('\n').at(-1)).toBe('exit 1')
  })
})
