/** Set-up's second step on machines that lack something: each says what failed, where it looked and what to do. */
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { outcomeOf, SetupFixture } from '../helpers/setup-fixture.ts'

let fixture: SetupFixture
beforeEach(() => {
  fixture = new SetupFixture()
})
afterEach(() => fixture.dispose())

/** pip that "downloads" the prepared folder. */
const copying = (source: string, before = '') => `${before}
mkdir -p "$TARGET" && cp -r "${source}" "$TARGET/torch" && mkdir -p "$TARGET/nvidia" "$TARGET/functorch" "$TARGET/torch-2.11.0.dist-info"`

/** The three places, in their order, each with its reason. */
function expectAllPlaces(output: string): void {
  const places = ['SIAMFCPP_LIBTORCH', 'torch of python3 on PATH', `cache: ${fixture.cached}`].map((text) => output.indexOf(`- ${text}`))
  expect(Math.min(...places), output).toBeGreaterThan(-1)
  expect(places).toEqual(places.toSorted((a, b) => a - b))
}

describe('without what a download needs', () => {
  it('python3 is missing', async () => {
    const { code, output } = await fixture.run('libtorch')
    expect(code).toBe(1)
    expect(output).toContain('python3 is not on PATH')
    expect(output).toContain('install Python 3.10 or newer with pip')
    expect(output).toContain('or set SIAMFCPP_LIBTORCH')
    expect(output).toContain('npm run setup')
    expectAllPlaces(output)
  })

  it('python3 is too old', async () => {
    fixture.fakePython({ version: [3, 8, 10] })
    const { code, output } = await fixture.run('libtorch')
    expect(code).toBe(1)
    expect(output).toMatch(/is Python 3\.8\.10, which is too old/)
    expectAllPlaces(output)
    expect(fixture.pipCalls()).toBe(0)
  })

  it('python3 has no pip', async () => {
    fixture.fakePython({ pip: false })
    const { code, output } = await fixture.run('libtorch')
    expect(code).toBe(1)
    expect(output).toContain('has no pip')
    expect(output).toContain('ensurepip')
  })

  it('python3 does not run', async () => {
    fixture.fake('python3', 'echo "broken installation" >&2; exit 127')
    const { code, output } = await fixture.run('libtorch')
    expect(code).toBe(1)
    expect(output).toContain('does not run: broken installation')
  })

  it('the cache cannot be written', async () => {
    fixture.fakePython({})
    writeFileSync(path.join(fixture.folder, 'file'), '')
    fixture.env.XDG_CACHE_HOME = path.join(fixture.folder, 'file')
    const { code, output } = await fixture.run('libtorch')
    expect(code).toBe(1)
    expect(output).toMatch(/the cache .*file\/siamfcpp-native cannot be written/)
    expect(output).toContain('XDG_CACHE_HOME')
    expect(fixture.pipCalls()).toBe(0)
  })

  it('the disk is too small, and says so before the download', async () => {
    fixture.fakePython({})
    fixture.env.SIAMFCPP_NEEDED_BYTES = String(2 ** 60)
    const { code, output } = await fixture.run('libtorch')
    expect(code).toBe(1)
    expect(output).toMatch(/has [\d.]+ GiB free; 1073741824\.0 GiB are needed/)
    expect(fixture.pipCalls()).toBe(0)
    expect(fixture.leftovers()).toEqual([])
  })
})

describe('a download that fails', () => {
  it('no network: names it, shows the last lines, leaves nothing behind, works when run again', async () => {
    const source = fixture.fakeLibtorch('wheel')
    fixture.fakePython({}, `echo "first line"; echo "WARNING: NewConnectionError: Failed to establish a new connection: [Errno -3] Temporary failure in name resolution"; echo "ERROR: No matching distribution found for torch==2.11.0"; exit 1`)
    const failed = await fixture.run('libtorch')
    expect(failed.code).toBe(1)
    expect(failed.output).toContain('the network or the registry could not be reached')
    expect(failed.output).toContain('| ERROR: No matching distribution found for torch==2.11.0')
    expect(failed.output).not.toContain('the package index has no torch')
    expectAllPlaces(failed.output)
    const log = /full output: (.*)/.exec(failed.output)?.[1] ?? ''
    expect(readFileSync(log, 'utf8')).toContain('first line')
    expect(fixture.leftovers()).toEqual([])

    fixture.fakePython({}, copying(source))
    const again = await fixture.run('libtorch')
    expect(again.output).toContain('downloaded:')
    expect(again.code).toBe(0)
    expect(existsSync(path.join(fixture.cached, 'torch/lib/libtorch_cpu.so'))).toBe(true)
  })

  it('the disk fills up on the way', async () => {
    fixture.fakePython({}, `mkdir -p "$TARGET/torch"; echo "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"; exit 1`)
    const { code, output } = await fixture.run('libtorch')
    expect(code).toBe(1)
    expect(output).toContain('the disk is full')
    expect(fixture.leftovers()).toEqual([])
  })

  it('the index has no wheel for this Python', async () => {
    fixture.fakePython({ version: [3, 19, 0] }, `echo "ERROR: No matching distribution found for torch==2.11.0"; exit 1`)
    const { code, output } = await fixture.run('libtorch')
    expect(code).toBe(1)
    expect(output).toContain('the package index has no torch 2.11.0 for Python 3.19.0')
  })

  it('what came is damaged: it is never put in place', async () => {
    fixture.fakePython({}, 'mkdir -p "$TARGET/torch/lib"; echo junk > "$TARGET/torch/lib/libtorch_cpu.so"')
    const { code, output } = await fixture.run('libtorch')
    expect(code).toBe(1)
    expect(output).toContain('the downloaded torch has no lib/libc10.so')
    expect(existsSync(fixture.cached)).toBe(false)
  })

  it('killed half-way: the next run takes the lock over, removes the rest and finishes', async () => {
    const source = fixture.fakeLibtorch('wheel')
    fixture.fakePython({}, 'mkdir -p "$TARGET/torch"; sleep 30')
    const child = fixture.start('--only', 'libtorch')
    const ended = outcomeOf(child)
    while (fixture.pipCalls() === 0) await sleep(50)
    child.kill('SIGKILL')
    await ended
    expect(fixture.leftovers().some((name) => name.endsWith('.lock'))).toBe(true)
    expect(fixture.leftovers().some((name) => name.startsWith('.staging-'))).toBe(true)

    fixture.fakePython({}, copying(source))
    const again = await fixture.run('libtorch')
    expect(again.output).toContain('downloaded:')
    expect(again.code).toBe(0)
    expect(again.seconds).toBeLessThan(10)
    expect(fixture.leftovers()).toEqual([])
  })

  it('a lock of another machine is respected while its heart beats and taken over when it is old', async () => {
    const source = fixture.fakeLibtorch('wheel')
    fixture.fakePython({}, copying(source))
    const lock = `${fixture.cached}.lock`
    mkdirSync(lock, { recursive: true })
    writeFileSync(path.join(lock, 'owner.json'), JSON.stringify({ pid: 1, identity: 'elsewhere pid:[1]' }))
    const child = fixture.start('--only', 'libtorch')
    const ended = outcomeOf(child)
    await sleep(1500)
    expect(fixture.pipCalls()).toBe(0)
    const old = new Date(Date.now() - 120_000)
    utimesSync(lock, old, old)
    const { code } = await ended
    expect(code).toBe(0)
    expect(fixture.pipCalls()).toBe(1)
  })
})

describe('a download that works', () => {
  it('keeps what C++ needs, drops what only Python needs, and is not repeated', async () => {
    const source = fixture.fakeLibtorch('wheel')
    fixture.fakePython({}, copying(source))
    const first = await fixture.run('libtorch')
    expect(first.output).toContain('libtorch 2.11.0: downloaded:')
    expect(first.code).toBe(0)
    expect(readdirSync(fixture.cached).toSorted()).toEqual(['nvidia', 'siamfcpp-native.json', 'torch', 'torch-2.11.0.dist-info'])
    expect(readdirSync(path.join(fixture.cached, 'torch')).toSorted()).toEqual(['include', 'lib', 'share'])
    expect(readdirSync(path.join(fixture.cached, 'torch/lib')).toSorted()).toEqual(['libc10.so', 'libtorch_cpu.so'])
    const second = await fixture.run('libtorch')
    expect(second.output).toContain('libtorch 2.11.0: found:')
    expect(second.seconds).toBeLessThan(2)
    expect(fixture.pipCalls()).toBe(1)
  })

  it('two set-ups at once download once, and both succeed', async () => {
    const source = fixture.fakeLibtorch('wheel')
    fixture.fakePython({}, copying(source, 'sleep 2'))
    const other = new SetupFixture()
    try {
      other.env.XDG_CACHE_HOME = fixture.cache
      symlinkSync(path.join(fixture.tools, 'python3'), path.join(other.tools, 'python3'))
      const [a, b] = await Promise.all([fixture.run('libtorch'), other.run('libtorch')])
      expect([a.code, b.code], a.output + b.output).toEqual([0, 0])
      expect(fixture.pipCalls()).toBe(1)
    } finally {
      other.dispose()
    }
  })
})

describe('the order of the places', () => {
  it('SIAMFCPP_LIBTORCH, then the torch of python3, then the cache', async () => {
    const wheel = fixture.fakeLibtorch('wheel')
    const own = fixture.fakeLibtorch('own')
    const pythons = fixture.fakeLibtorch('site-packages/torch')
    fixture.fakePython({}, copying(wheel))
    expect((await fixture.run('libtorch')).output).toContain(`${fixture.cached}/torch (cache)`)
    fixture.fakePython({ torch: pythons })
    expect((await fixture.run('libtorch')).output).toContain(`${pythons} (python3 on PATH)`)
    fixture.env.SIAMFCPP_LIBTORCH = own
    expect((await fixture.run('libtorch')).output).toContain(`${own} (SIAMFCPP_LIBTORCH)`)
    expect(JSON.parse(fixture.read('build/setup.json'))).toMatchObject({ libtorch: { path: own, version: '2.11.0', source: 'SIAMFCPP_LIBTORCH' } })
  })

  it('a python3 with another torch is passed over, and the message says why', async () => {
    fixture.fakePython({ torch: fixture.fakeLibtorch('old', '2.10.1') }, 'exit 1')
    const { output } = await fixture.run('libtorch')
    expect(output).toMatch(/old is version 2\.10\.1, not 2\.11\.0/)
  })

  it('a wrong SIAMFCPP_LIBTORCH is an error, never a reason to take another', async () => {
    fixture.fakePython({ torch: fixture.fakeLibtorch('good') })
    fixture.env.SIAMFCPP_LIBTORCH = fixture.fakeLibtorch('old', '2.10.1')
    const { code, output } = await fixture.run('libtorch')
    expect(code).toBe(1)
    expect(output).toMatch(/SIAMFCPP_LIBTORCH=.*old is version 2\.10\.1, not 2\.11\.0/)
    expect(output).toContain('or unset it')
  })

  it('a libtorch whose own libraries are missing is found out by loading it', async () => {
    const folder = fixture.fakeLibtorch('incomplete')
    writeFileSync(path.join(folder, 'lib/libtorch_cpu.so'), 'not a library')
    fixture.env.SIAMFCPP_LIBTORCH = folder
    const { code, output } = await fixture.run('libtorch')
    expect(code).toBe(1)
    expect(output).toContain('does not load')
  })
})
