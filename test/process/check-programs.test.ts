/**
 * The programs under native/data/check are built by hand only, with sanitizers, which takes minutes. What the addon's build does not compile
 * of them is compiled here, without making code, so that a change of native/data cannot leave them broken unnoticed.
 */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { packageRoot } from '../../lib/native/load.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'

const check = path.join(packageRoot(), 'native', 'data', 'check')
const sourcesIn = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.cc'))
    .map((name) => path.join(folder, name))

/** What the compiler complains of; '' when it is content. */
async function complaints(files: string[], ...more: string[]): Promise<string> {
  const failure = (error: { stderr?: string; message: string }): string => error.stderr || error.message
  return promisify(execFile)(process.env.CXX ?? 'c++', ['-std=c++17', '-fsyntax-only', '-Wall', '-Wextra', ...more, ...files]).then(({ stderr }) => stderr, failure)
}

describe('the check programs', () => {
  it.each(['.', 'kernels'])('native/data/check/%s compiles without a warning', async (folder) => {
    const files = sourcesIn(path.join(check, folder))
    expect(files.length).toBeGreaterThan(2)
    expect(await complaints(files)).toBe('')
  }, 240_000)

  it('are looked at: a name that nobody declares is told', async () => {
    const folder = temporaryFolder('check-programs')
    const broken = path.join(folder, 'broken.cc')
    writeFileSync(broken, '#include "check_support.h"\nvoid Count() { failures += 1; }\n')
    expect(await complaints([broken], `-I${check}`)).toMatch(/failures.* was not declared|undeclared identifier .*failures/)
    removeFolder(folder)
  }, 240_000)

  it('have all folders of native/data that the addon has', () => {
    const built = /file\(GLOB DATA_SOURCES ([^)]*)\)/.exec(readFileSync(path.join(packageRoot(), 'CMakeLists.txt'), 'utf8'))![1]!
    const folders = [...built.matchAll(/native\/data\/(\w+)\/\*\.cc/g)].map((match) => match[1]!)
    const script = readFileSync(path.join(check, 'run.sh'), 'utf8')
    expect(folders.length).toBeGreaterThan(1)
    expect(folders.filter((folder) => !script.includes(`/../${folder}"`) && !script.includes(`/../${folder} `))).toEqual([])
  })
})
