/** Sizes of memory, and the two keys of the loader that say what it may take. */
import { describe, expect, it } from 'vitest'
import { cacheWarning, machineMemory, parseByteSize } from '../../lib/config/byte-size.ts'
import { loadConfig } from '../../lib/config/index.ts'
import { readDataSettings } from '../../lib/data/settings.ts'
import { commandLine } from '../../lib/cli/resume-command.ts'
import { configSha256 } from '../../lib/engine/builders.ts'

const config = 'configs/siamfcpp_alexnet-got10k.yaml'

describe('cacheWarning', () => {
  const memory = 16e9
  it('says what is probably wrong with a bound', () => {
    expect(cacheWarning(1, memory)).toBe('a cache of 1 byte keeps next to no frames: a size without a unit is in bytes; did you mean 1G?')
    expect(cacheWarning(8, memory)).toContain('8 bytes keeps next to no frames: a size without a unit is in bytes; did you mean 8G?')
    expect(cacheWarning(2 ** 20 - 1, memory)).toBe('a cache of 1,048,575 bytes keeps next to no frames: a size without a unit is in bytes')
    expect(cacheWarning(memory + 1e9, memory)).toContain('a cache of 17.0 GB is larger than the memory of this machine (16.0 GB)')
    for (const fine of [0, 2 ** 20, memory]) expect(cacheWarning(fine, memory)).toBeUndefined()
    expect(machineMemory()).toBeGreaterThan(2 ** 20)
  })
})

describe('parseByteSize', () => {
  it.each<[unknown, number]>([
    ['8G', 8 * 2 ** 30],
    ['8GiB', 8 * 2 ** 30],
    ['8 gib', 8 * 2 ** 30],
    ['8GB', 8e9],
    ['512M', 512 * 2 ** 20],
    ['1.5G', 1.5 * 2 ** 30],
    ['64k', 65536],
    ['2T', 2 ** 41],
    ['1000000', 1e6],
    ['100B', 100],
    [4096, 4096],
    [0, 0],
    ['0', 0],
  ])('%j is %i bytes', (value, bytes) => expect(parseByteSize(value)).toBe(bytes))

  it.each([['8X'], ['G'], [''], ['-1G'], ['1e9'], ['8 G B'], ['1.5'], ['8iB'], [-1], [1.5], [Number.NaN], [true], [null], ['99999999T']])('%j is none', (value) => expect(parseByteSize(value)).toBeUndefined())
})

describe('train.track.data', () => {
  const data = async (...overrides: string[]) => {
    const loaded = await loadConfig(config, overrides)
    return { loaded, settings: readDataSettings(loaded as Parameters<typeof readDataSettings>[0]) }
  }

  it('cache and read_ahead have defaults, and values of the file or the command line', async () => {
    expect((await data()).settings).toMatchObject({ cacheBytes: 0, readAhead: 32 })
    expect((await data('train.track.data.cache=8G', 'train.track.data.read_ahead=0')).settings).toMatchObject({ cacheBytes: 8 * 2 ** 30, readAhead: 0 })
  })

  it('neither changes what a run computes', async () => {
    const [plain, other] = [await data(), await data('train.track.data.cache=1G', 'train.track.data.read_ahead=4')]
    expect(configSha256(other.loaded)).toBe(configSha256(plain.loaded))
  })

  it.each([['cache=8X', /Expected a size in bytes such as 8G, 512M or 1000000000 for train\.track\.data\.cache but received "8X"/], ['cache=-1', /Expected a size in bytes/], ['read_ahead=-1', /Expected an integer from 0 to 1024 for train\.track\.data\.read_ahead/], ['read_ahead=1025', /Expected an integer from 0 to 1024 for train\.track\.data\.read_ahead but received 1025/]])(
    '%s is refused',
    async (override, message) => {
      await expect(loadConfig(config, [`train.track.data.${override}`])).rejects.toMatchObject({ code: 'ERR_CONFIG', message: expect.stringMatching(message) })
    },
  )

  it('a configuration made by hand is checked too', () => {
    const made = (more: object) => ({ train: { track: { data: { sampler: { submodules: { dataset: { names: ['GOT10kDataset'] } } }, ...more } } } })
    expect(readDataSettings(made({ cache: '1M' })).cacheBytes).toBe(2 ** 20)
    expect(() => readDataSettings(made({ cache: 'much' }))).toThrowError(expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringContaining('train.track.data.cache') }))
    expect(() => readDataSettings(made({ read_ahead: 1.5 }))).toThrowError(expect.objectContaining({ code: 'ERR_CONFIG' }))
    expect(readDataSettings(made({ read_ahead: 1024 })).readAhead).toBe(1024)
    expect(() => readDataSettings(made({ read_ahead: 1025 }))).toThrowError(expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringContaining('an integer from 0 to 1024 for train.track.data.read_ahead') }))
  })
})

it('the command that goes on with a run keeps --cache', () => {
  expect(commandLine('my.yaml', [], { device: 'cpu', cache: '8G' })).toMatch(/ --cache 8G$/)
})
