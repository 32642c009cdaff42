/** The rules of docs/architecture.md §2, read off the sources. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { errorCodes } from '../../lib/errors.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Every file under a folder with one of these endings, relative to the root. */
function sources(folder: string, endings: string[]): string[] {
  const full = path.join(root, folder)
  if (!existsSync(full)) return []
  return readdirSync(full, { recursive: true, encoding: 'utf8' })
    .map((name) => path.join(folder, name))
    .filter((name) => endings.some((ending) => name.endsWith(ending)) && !name.includes('node_modules'))
    .sort()
}

const read = (name: string) => readFileSync(path.join(root, name), 'utf8')
const cxxEndings = ['.h', '.hpp', '.cc', '.cpp']

function includes(name: string): string[] {
  return [...read(name).matchAll(/^\s*#\s*include\s*[<"]([^>"]+)[>"]/gm)].map((match) => match[1]!)
}

/** Specifiers of static and dynamic imports, exports-from and require calls. */
function imports(name: string): string[] {
  const text = read(name)
  const statics = text.matchAll(/(?:^|[\s;])(?:import|export)\s+(?:type\s+)?(?:[^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]/g)
  const calls = text.matchAll(/\b(?:import|require)\(\s*['"]([^'"]+)['"]/g)
  return [...statics, ...calls].map((match) => match[1]!)
}

/** A relative specifier as a path from the root; others unchanged. */
function resolved(from: string, specifier: string): string {
  return specifier.startsWith('.') ? path.join(path.dirname(from), specifier) : specifier
}

/** `file: header` for each include of the files that matches. */
function offendingIncludes(files: string[], pattern: RegExp): string[] {
  return files.flatMap((name) => includes(name).filter((header) => pattern.test(header)).map((header) => `${name}: ${header}`))
}

describe('C++ layers', () => {
  const files = sources('native', cxxEndings)

  it('napi.h is included in native/binding only', () => {
    expect(offendingIncludes(files.filter((name) => !name.startsWith('native/binding/')), /(^|\/)(napi|node_api|js_native_api)\.h$/)).toEqual([])
  })

  it('core, data and tracking include neither binding nor engine', () => {
    expect(offendingIncludes(files.filter((name) => /^native\/(core|data|tracking)\//.test(name)), /(^|\/)(binding|engine)\//)).toEqual([])
  })

  it('data holds no model code and includes no torch header', () => {
    expect(offendingIncludes(files.filter((name) => name.startsWith('native/data/')), /(^|\/)(core\/(?!kernels)|tracking\/)|^(torch|ATen|c10)\//)).toEqual([])
  })
})

describe('TypeScript layers', () => {
  const files = sources('lib', ['.ts'])

  it('are read correctly by this test', () => {
    expect(files.length).toBeGreaterThan(3)
    expect(imports('lib/cli/index.ts')).toContain('../errors.ts')
    expect(imports('lib/cli/index.ts')).toContain('./doctor.ts')
    expect(includes('native/binding/registration.h').length).toBeGreaterThan(0)
  })

  it('bindings is imported in lib/native/load.ts only', () => {
    expect(files.filter((name) => name !== 'lib/native/load.ts' && imports(name).includes('bindings'))).toEqual([])
  })

  it('errors.ts imports nothing', () => {
    expect(imports('lib/errors.ts')).toEqual([])
  })

  it('config never reaches native, not through others either', () => {
    const offenders: string[] = []
    for (const start of files.filter((name) => name.startsWith('lib/config/'))) {
      const routes = new Map<string, string>([[start, start]])
      for (const [name, route] of routes) {
        if (name.startsWith('lib/native/')) {
          offenders.push(route)
          continue
        }
        if (!existsSync(path.join(root, name))) continue
        for (const next of imports(name).map((specifier) => resolved(name, specifier))) {
          if (next.startsWith('lib/') && !routes.has(next)) routes.set(next, `${route} -> ${next}`)
        }
      }
    }
    expect(offenders).toEqual([])
  })

  it('the library imports nothing from tests, benches, scripts or examples', () => {
    const targets = files.flatMap((name) => imports(name).map((specifier) => `${name}: ${resolved(name, specifier)}`))
    expect(targets.filter((entry) => /: (test|bench|scripts|examples|\.\.)(\/|$)/.test(entry))).toEqual([])
  })
})

describe('every file', () => {
  const all = [
    ...sources('lib', ['.ts']),
    ...sources('native', cxxEndings),
    ...sources('scripts', ['.mjs']),
    ...sources('test', ['.ts', '.mjs', '.py']),
    ...sources('bench', ['.ts', '.mjs', '.py', '.cc']),
    ...sources('bin', ['.js']),
  ]

  it('has at most 500 lines', () => {
    const lengths = all.map((name) => [name, read(name).trimEnd().split('\n').length] as const)
    expect(lengths.filter(([, lines]) => lines > 500)).toEqual([])
  })

  it('is named in kebab-case (C++ and Python: snake_case)', () => {
    const isGood = (name: string) => (/\.(h|hpp|cc|cpp|py)$/.test(name) ? /^[a-z0-9_]+(\.[a-z0-9]+)+$/ : /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)+$/).test(path.basename(name))
    expect(all.filter((name) => !isGood(name))).toEqual([])
  })
})

describe('error codes', () => {
  const documented = read('docs/errors.md')
  const tests = sources('test', ['.test.ts'])
    .filter((name) => name !== 'test/unit/architecture.test.ts')
    .map(read)
    .join('\n')

  it.each(errorCodes)('%s is documented', (code) => {
    expect(documented).toContain(`| \`${code}\` |`)
  })

  it.each(errorCodes)('%s is raised by a test', (code) => {
    expect(new RegExp(`\\b${code}\\b`).test(tests), `no test expects ${code}`).toBe(true)
  })

  it('documents no code that does not exist', () => {
    const mentioned = [...documented.matchAll(/^\| `(ERR_\w+)`/gm)].map((match) => match[1]!)
    expect(mentioned.filter((code) => !(errorCodes as readonly string[]).includes(code))).toEqual([])
  })
})
