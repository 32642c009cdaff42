/** What a pack for a GPU machine is made of: which packages and files, and libraries that find libtorch elsewhere. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
// @ts-expect-error scripts have no types
import { rewriteSearchPath } from '../../scripts/lib/elf-rpath.mjs'
// @ts-expect-error scripts have no types
import { isPackedFile, packedPackages } from '../../scripts/lib/pack-modules.mjs'

const root = path.resolve(import.meta.dirname, '../..')
const folder = mkdtempSync(path.join(tmpdir(), 'siam-gpu-pack-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe("a library's search path", () => {
  const library = path.join(folder, 'lib.so')
  const make = (...options: string[]): string => {
    execFileSync('cc', ['-shared', '-fPIC', '-x', 'c', '-o', library, ...options, '-'], { input: 'int one(void) { return 1; }\n' })
    return library
  }
  const paths = (): string[] => rewriteSearchPath(library, (entry: string) => entry)

  it.each(['--disable-new-dtags', '--enable-new-dtags'])('is rewritten entry by entry (%s)', (tags) => {
    make(`-Wl,${tags},-rpath,/home/somebody/torch/lib:/opt/other`)
    expect(paths()).toEqual(['/home/somebody/torch/lib:/opt/other'])
    expect(rewriteSearchPath(library, (entry: string) => entry.replace('/home/somebody/torch', '$ORIGIN/there'))).toEqual(['$ORIGIN/there/lib:/opt/other'])
    expect(paths()).toEqual(['$ORIGIN/there/lib:/opt/other'])
  })

  it('is not made longer', () => {
    make('-Wl,-rpath,/a/lib')
    const before = readFileSync(library)
    expect(() => rewriteSearchPath(library, () => '$ORIGIN/../libtorch/lib')).toThrow(/no room for \$ORIGIN\/..\/libtorch\/lib in place of \/a\/lib/)
    expect(readFileSync(library).equals(before)).toBe(true)
  })

  it('need not be there, and is looked for in libraries only', () => {
    make()
    expect(paths()).toEqual([])
    writeFileSync(library, 'a text that is longer than the header of a library, which has 64 bytes at least')
    expect(paths).toThrow(/not a little-endian ELF file/)
  })
})

describe('packages', () => {
  it('are those of production and of vitest, with all that they need, and no compiler or browser', () => {
    const packed: string[] = packedPackages(root)
    for (const name of ['bindings', 'file-uri-to-path', 'zod', 'yaml', '@julusian/jpeg-turbo', 'node-addon-api', 'node-api-headers', 'vitest', 'vite', 'rollup', 'esbuild', '@vitest/runner']) {
      expect(packed).toContain(`node_modules/${name}`)
    }
    for (const name of ['node', 'typescript', 'playwright-core', 'cmake-js', 'oxlint']) expect(packed).not.toContain(`node_modules/${name}`)
    // The programs for this platform, which npm has installed as optional packages.
    expect(packed.filter((name) => /^node_modules\/@(esbuild|rollup)\//.test(name))).toHaveLength(2)
  })

  it.each([
    ['node_modules/yaml/dist/doc/Document.js', true],
    ['node_modules/node-addon-api/napi.h', true],
    ['node_modules/zod/index.d.cts', false],
    ['node_modules/zod/src/index.ts', false],
    ['node_modules/vite/dist/client/client.mjs.map', false],
    ['node_modules/yauzl/README.md', false],
    ['node_modules/@scope/name/docs/a.js', false],
    ['node_modules/esbuild/bin/esbuild', false],
    ['node_modules/@julusian/jpeg-turbo/prebuilds/jpeg-turbo-linux-x64/libturbojpeg.so.0', true],
    ['node_modules/@julusian/jpeg-turbo/prebuilds/jpeg-turbo-linux-x64-musl/libturbojpeg.so.0', false],
    ['node_modules/@julusian/jpeg-turbo/prebuilds/jpeg-turbo-win32-x64/node-napi-v7.node', false],
  ])('%s: %s', (file, isPacked) => {
    expect(isPackedFile(file, { platform: 'linux', arch: 'x64' })).toBe(isPacked)
  })
})
