/** Set-up's other steps: npm packages, the C++ addon, dist/. On a small project, with tools that are missing, old or broken. */
import { existsSync, mkdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { outcomeOf, root, SetupFixture } from '../helpers/setup-fixture.ts'

let fixture: SetupFixture
beforeEach(() => {
  fixture = new SetupFixture()
})
afterEach(() => fixture.dispose())

/** Real packages of our own node_modules, linked into the project's. */
function link(...names: string[]): void {
  for (const name of names) {
    const target = path.join(fixture.project, 'node_modules', name)
    mkdirSync(path.dirname(target), { recursive: true })
    symlinkSync(realpathSync(path.join(root, 'node_modules', name)), target)
  }
}

describe('npm packages', () => {
  /** An npm that leaves what npm ci leaves. */
  const workingNpm = (calls: string) => `echo "$@" >> "${calls}"
mkdir -p node_modules/left-pad && echo '{}' > node_modules/left-pad/package.json
echo '{ "packages": { "node_modules/left-pad": { "version": "1.3.0" } } }' > node_modules/.package-lock.json`

  beforeEach(() => {
    fixture.write('package-lock.json', '{ "lockfileVersion": 3, "packages": { "": {}, "node_modules/left-pad": { "version": "1.3.0" }, "node_modules/fsevents": { "version": "2.0.0", "optional": true } } }')
  })

  it('installs once, and again only when the lock file or the folder says so', async () => {
    const calls = path.join(fixture.folder, 'npm-calls')
    fixture.fake('npm', workingNpm(calls))
    const first = await fixture.run('dependencies')
    expect(first.output).toContain('npm packages: installed (node_modules is missing)')
    expect((await fixture.run('dependencies')).output).toContain('npm packages: up to date')
    rmSync(path.join(fixture.project, 'node_modules/left-pad/package.json'))
    expect((await fixture.run('dependencies')).output).toContain('installed (node_modules/left-pad is damaged)')
    rmSync(path.join(fixture.project, 'node_modules/.package-lock.json'))
    expect((await fixture.run('dependencies')).output).toContain('installed (an earlier installation did not finish)')
    fixture.write('node_modules/.package-lock.json', '{ "packages": { "node_modules/left-pad": { "version": "1.2.0" } } }')
    expect((await fixture.run('dependencies')).output).toContain('left-pad is 1.2.0, the lock file says 1.3.0')
  })

  it('installs an optional package that is built for this platform once, when the lock file is newer', async () => {
    const calls = path.join(fixture.folder, 'npm-calls')
    fixture.fake('npm', workingNpm(calls))
    await fixture.run('dependencies')
    expect((await fixture.run('dependencies')).output).toContain('npm packages: up to date')
    const entry = (os: string) => ({ version: '1.0.0', optional: true, os: [os], cpu: [process.arch] })
    const lock = JSON.parse(fixture.read('package-lock.json')) as { packages: Record<string, unknown> }
    fixture.write('package-lock.json', JSON.stringify({ ...lock, packages: { ...lock.packages, 'node_modules/ours': entry(process.platform), 'node_modules/theirs': entry('plan9') } }))
    expect((await fixture.run('dependencies')).output).toContain('npm packages: installed (node_modules/ours is missing)')
    // This npm leaves it out, as one that was told to does: it is not asked for again.
    expect((await fixture.run('dependencies')).output).toContain('npm packages: up to date')
  })

  it('no network: says so, and works when run again', async () => {
    fixture.fake('npm', 'mkdir -p node_modules; echo "npm error code ENOTFOUND"; echo "npm error network request to https://registry.invalid failed"; exit 1')
    const failed = await fixture.run('dependencies')
    expect(failed.code).toBe(1)
    expect(failed.output).toContain('npm ci: exit 1')
    expect(failed.output).toContain('the network or the registry could not be reached')
    expect(failed.output).toContain('| npm error code ENOTFOUND')
    fixture.fake('npm', workingNpm(path.join(fixture.folder, 'npm-calls')))
    expect((await fixture.run('dependencies')).code).toBe(0)
  })

  it('npm is missing', async () => {
    const { code, output } = await fixture.run('dependencies')
    expect(code).toBe(1)
    expect(output).toContain('npm is not on PATH')
    expect(output).toContain(fixture.tools)
  })

  it('an npm that installs nothing is found out', async () => {
    fixture.fake('npm', 'exit 0')
    const { code, output } = await fixture.run('dependencies')
    expect(code).toBe(1)
    expect(output).toContain('npm ci succeeded, but node_modules is missing')
  })

  it('a node_modules that is a link belongs to another checkout and is left alone', async () => {
    mkdirSync(path.join(fixture.folder, 'elsewhere'))
    symlinkSync(path.join(fixture.folder, 'elsewhere'), path.join(fixture.project, 'node_modules'))
    fixture.fake('npm', 'exit 9')
    const { code, output } = await fixture.run('dependencies')
    expect(code).toBe(0)
    expect(output).toContain('left alone')
  })
})

describe('the C++ addon', () => {
  const cmakeLists = `cmake_minimum_required(VERSION 3.18)
project(fixture LANGUAGES CXX)
add_library(fixture SHARED addon.cc)
target_include_directories(fixture PRIVATE \${NAPI_INCLUDES})
set_target_properties(fixture PROPERTIES PREFIX "" SUFFIX ".node" LIBRARY_OUTPUT_DIRECTORY "\${CMAKE_BINARY_DIR}/Release")
`
  const source = '#include <node_api.h>\nextern "C" __attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports) { return exports; }\n'

  beforeEach(() => {
    fixture.env.SIAMFCPP_LIBTORCH = fixture.fakeLibtorch('libtorch')
    fixture.write('CMakeLists.txt', cmakeLists)
    fixture.write('addon.cc', source)
    link('cmake-js', 'node-api-headers', 'node-addon-api')
  })
  const compilers = ['cc', 'gcc', 'c++', 'g++', 'make', 'ninja']

  it('cmake is missing', async () => {
    fixture.use(...compilers)
    const { code, output } = await fixture.run('native')
    expect(code).toBe(1)
    expect(output).toContain('cmake is not on PATH; 3.18 or newer is needed')
    expect(output).toContain('pip install --user cmake')
    expect(output).toContain(`- ${fixture.tools}`)
  })

  it('cmake is too old', async () => {
    fixture.use(...compilers)
    fixture.fake('cmake', 'echo "cmake version 3.10.2"')
    const { code, output } = await fixture.run('native')
    expect(code).toBe(1)
    expect(output).toMatch(/cmake is version 3\.10; 3\.18 or newer/)
  })

  it('no compiler', async () => {
    fixture.use('cmake', 'make', 'ninja')
    const { code, output } = await fixture.run('native')
    expect(code).toBe(1)
    expect(output).toContain('no C++ compiler is on PATH (c++, g++, clang++)')
    expect(output).toContain('install g++ 11 or newer')
  })

  it('the compiler is too old', async () => {
    fixture.use('cmake', 'make', 'ninja')
    fixture.fake('c++', 'if [ "$1" = -dumpversion ]; then echo 9; else echo "c++ (GCC) 9.4.0"; fi')
    const { code, output } = await fixture.run('native')
    expect(code).toBe(1)
    expect(output).toContain('c++ (GCC) 9.4.0')
    expect(output).toContain('g++ 11 or clang 14')
  })

  it('neither make nor ninja', async () => {
    fixture.use('cmake', 'cc', 'gcc', 'c++', 'g++')
    const { code, output } = await fixture.run('native')
    expect(code).toBe(1)
    expect(output).toContain('neither ninja nor make is on PATH')
  })

  it('builds, does nothing when nothing changed, rebuilds what did, and mends a broken source when run again', async () => {
    fixture.use('cmake', ...compilers)
    const first = await fixture.run('native')
    expect(first.output).toContain('C++ addon: built build/Release/fixture.node')
    const second = await fixture.run('native')
    expect(second.output).toContain('C++ addon: up to date')
    expect(second.seconds).toBeLessThan(2)

    fixture.write('addon.cc', `${source}int broken( {\n`)
    const broken = await fixture.run('native')
    expect(broken.code).toBe(1)
    expect(broken.output).toMatch(/\| .*addon\.cc:3.*error:/)
    expect(broken.output).toContain('full output:')
    fixture.write('addon.cc', `${source}int mended() { return 1; }\n`)
    const mended = await fixture.run('native')
    expect(mended.output).toContain('C++ addon: rebuilt build/Release/fixture.node')

    fixture.env.SIAMFCPP_LIBTORCH = fixture.fakeLibtorch('another')
    await fixture.run('native')
    expect(fixture.read('build/CMakeCache.txt')).toContain(`SIAMFCPP_LIBTORCH:UNINITIALIZED=${fixture.env.SIAMFCPP_LIBTORCH}`)
  })

  it('an addon that does not load is not taken for built', async () => {
    fixture.use('cmake', ...compilers)
    fixture.write('addon.cc', `${source}extern int nowhere();\nint use = nowhere();\n`)
    const { code, output } = await fixture.run('native')
    expect(code).toBe(1)
    expect(output).toContain('was built and does not load')
    expect(output).toContain('undefined symbol')
  })

  it('killed half-way: the next run finishes', async () => {
    fixture.use('cmake', ...compilers)
    fixture.write('addon.cc', `${source}#include <algorithm>\n#include <regex>\n#include <map>\n`)
    const child = fixture.start('--only', 'native')
    const ended = outcomeOf(child)
    setTimeout(() => child.kill('SIGTERM'), 700)
    await ended
    const again = await fixture.run('native')
    expect(again.code, again.output).toBe(0)
    expect(existsSync(path.join(fixture.project, 'build/Release/fixture.node'))).toBe(true)
  })
})

describe('TypeScript', () => {
  beforeEach(() => {
    link('typescript')
    fixture.write('tsconfig.json', '{ "compilerOptions": { "target": "ES2023", "module": "NodeNext", "rootDir": "lib", "outDir": "dist", "types": [] }, "include": ["lib"] }')
    fixture.write('tsconfig.build.json', '{ "extends": "./tsconfig.json" }')
    fixture.write('lib/a.ts', 'export const a: number = 1\n')
    fixture.write('lib/b.ts', 'export const b: number = 1\n')
  })

  it('compiles, skips when nothing changed, forgets removed sources, reports an error', async () => {
    expect((await fixture.run('typescript')).output).toContain('TypeScript: compiled to dist/')
    expect((await fixture.run('typescript')).output).toContain('TypeScript: up to date')
    rmSync(path.join(fixture.project, 'lib/b.ts'))
    await fixture.run('typescript')
    expect([existsSync(path.join(fixture.project, 'dist/a.js')), existsSync(path.join(fixture.project, 'dist/b.js'))]).toEqual([true, false])
    fixture.write('lib/a.ts', 'export const a: number = "one"\n')
    const failed = await fixture.run('typescript')
    expect(failed.code).toBe(1)
    expect(failed.output).toContain("lib/a.ts(1,14): error TS2322")
    expect((await fixture.run('typescript')).code).toBe(1)
  })

  it('without the compiler says how to get it', async () => {
    rmSync(path.join(fixture.project, 'node_modules/typescript'))
    const { code, output } = await fixture.run('typescript')
    expect(code).toBe(1)
    expect(output).toContain('the TypeScript compiler is not installed')
  })
})

describe('the command', () => {
  it('refuses unknown arguments', async () => {
    const { code, output } = await outcomeOf(fixture.start('--only', 'everything'))
    expect(code).toBe(2)
    expect(output).toContain('unknown arguments')
  })
})
