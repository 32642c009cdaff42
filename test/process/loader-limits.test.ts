/** What the system refuses is no sample's fault: files, threads, and memory that one huge frame took. */
import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { indexDatasets } from '../../lib/data/open-datasets.ts'
import { loadAddon, packageRoot } from '../../lib/native/load.ts'
import { makeGot10k } from '../helpers/datasets/got10k.ts'
import { runWithLoader, withLoader } from '../helpers/loader-process.ts'
import { type Box, framePath, indexOf, loaderSpec, wanderingBoxes, writeFrames } from '../helpers/loader-spec.ts'
import { makeTinyDataset, removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { defaultCrop, writeSmallPack } from '../helpers/small-pack.ts'

let root: string
const boxes = wanderingBoxes(3, 8)
beforeAll(() => {
  root = temporaryFolder('loader-limits')
  writeFrames(root, boxes)
})
afterAll(() => removeFolder(root))

const linux = process.platform === 'linux'
/**
 * Takes all files that the process may open, then prints how next() ends and what was skipped by then. It goes on taking: what a
 * thread was reading from at the first try is free again a moment later, and would do for all that it reads afterwards.
 */
const withoutFiles = `
  const { openSync } = await import('node:fs')
  const takeAll = () => { try { for (;;) openSync('/dev/null') } catch {} }
  takeAll()
  const taking = setInterval(takeAll, 1)
  let end
  for (let b = 0; b < 200 && end === undefined; b++) await loader.next().catch(({ code, message, file }) => (end = { code, message, file }))
  clearInterval(taking)
  console.log(JSON.stringify({ end, skipped: loader.takeSkipped().length }))
  await loader.close()`
const pack = { ratio: 1, maxDiff: 100, name: 'GOT10kDataset', configPath: 'data.GOT10kDataset' }

describe.skipIf(!linux)('a process that may open no more files', () => {
  it.each([0, 4])('stops with a clear error instead of replacing one good sample after the other; %i threads read ahead', (readAheadThreads) => {
    const spec = loaderSpec([indexOf(root, boxes)], { readAheadThreads, readDelayMicroseconds: 1000, samplesPerEpoch: 1000 })
    const { status, stdout, stderr } = runWithLoader(spec, withLoader(withoutFiles), 60_000, 'ulimit -n 200')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const { end, skipped } = JSON.parse(stdout) as { end: { code: string; message: string; file: string }; skipped: number }
    expect(end).toMatchObject({ code: 'ERR_SETUP', message: expect.stringMatching(/sample \d+ of epoch 0: cannot read it: Too many open files; .*ulimit -n/) })
    expect(end.file).toContain(root)
    expect(skipped).toBe(0)
  })

  it('reads packs the same way, and a pack of many shards leaves files for others', async () => {
    const frames = makeGot10k(path.join(root, 'got10k'), { jpeg: 'real', frames: 34, width: 96, height: 72 })
    const dir = path.join(root, 'pack')
    const { indexes } = await indexDatasets({ datasets: [{ ...pack, params: { dataset_root: frames, subset: 'train' } }] })
    const { shards } = await writeSmallPack(dir, indexes[0]!, { shardEntries: 1 })
    expect(shards.length).toBeGreaterThan(90)
    const open = `
      const { indexDatasets } = await import(${JSON.stringify(pathToFileURL(path.join(packageRoot(), 'lib/data/open-datasets.ts')).href)})
      const { readdirSync, readlinkSync } = await import('node:fs')
      const { indexes } = await indexDatasets({ datasets: [${JSON.stringify({ ...pack, params: {} })}] }, { pack: { dir: ${JSON.stringify(dir)}, crop: ${JSON.stringify(defaultCrop)} } })
      await loader.close()
      const shardsOpen = () => readdirSync('/proc/self/fd').filter((fd) => { try { return readlinkSync('/proc/self/fd/' + fd).endsWith('.tar') } catch { return false } }).length
      {
        const loader = loadAddon().createLoader({ ...spec, datasets: indexes })`
    const run = (script: string) => {
      const { status, stdout, stderr } = runWithLoader(loaderSpec([indexOf(root, boxes)], { threads: 3, samplesPerEpoch: 1000 }), withLoader(`${open}
          ${script}
          await loader.close()
        }
        for (const index of indexes) index.dispose()`), 60_000, 'ulimit -n 200')
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      return JSON.parse(stdout) as object
    }
    const reading = run(`
      for (let b = 0; b < 100; b++) for (const tensor of Object.values((await loader.next()).tensors)) tensor.dispose()
      console.log(JSON.stringify({ shards: shardsOpen(), skipped: loader.stats().skipped }))`) as { shards: number; skipped: number }
    expect(reading.skipped).toBe(0)
    expect(reading.shards).toBeGreaterThan(40)
    // 64, and one that each thread may be reading from while it is let go of.
    expect(reading.shards).toBeLessThanOrEqual(64 + 3)
    expect(run(withoutFiles)).toMatchObject({ end: { code: 'ERR_SETUP', message: expect.stringContaining('Too many open files'), file: expect.stringContaining(dir) }, skipped: 0 })
  }, 60_000)
})

/** With stacks of 1 GB in 40 GB of address space there is room for some tens of threads, and memory is left for them. */
const fewThreads = 'ulimit -s 1048576 && ulimit -v 41943040'

describe.skipIf(!linux)('threads that cannot be started', () => {
  it('data index --means goes on with those that did', () => {
    const set = path.join(root, 'means')
    makeTinyDataset(set, { sequences: 2, frames: 6 })
    const cli = fileURLToPath(new URL('../helpers/siamtrain.ts', import.meta.url))
    const config = path.join(packageRoot(), 'configs/siamfcpp_alexnet-got10k.yaml')
    const args = [cli, 'data', 'index', config, '--json', '--means', '--threads', '500', `train.track.data.sampler.submodules.dataset.GOT10kDataset.dataset_root=${set}`]
    const { status, stdout, stderr } = spawnSync('sh', ['-c', `${fewThreads} && exec "$0" "$@"`, process.execPath, ...args], { encoding: 'utf8', env: { ...process.env, XDG_CACHE_HOME: path.join(root, 'cache'), SIAMFCPP_INDEX_CACHE: 'user' } })
    expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' })
    expect((JSON.parse(stdout) as { datasets: { means: object }[] }).datasets[0]!.means).toMatchObject({ computed: 12, failed: 0 })
  })

  it('a limit of decoding that would be measured by fewer is an error', () => {
    const script = withLoader(`
      const ends = []
      for (const threads of [2, 200]) ends.push(await loadAddon().measureDecodeLimit(spec, { samples: 5, threads, seconds: 0.1 }).then(({ pairs }) => pairs >= 5, ({ code, message }) => ({ code, message })))
      console.log(JSON.stringify(ends))
      await loader.close()`)
    const { status, stdout, stderr } = runWithLoader(loaderSpec([indexOf(root, boxes)], { samplesPerEpoch: 1000 }), script, 60_000, fewThreads)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(JSON.parse(stdout)).toEqual([true, { code: 'ERR_SETUP', message: expect.stringMatching(/cannot start thread \d+ of 200: /) }])
  })
})

describe.skipIf(!linux)('a frame of 36 million pixels', () => {
  /** What stands upright, and what is turned after it was decoded, which takes one more buffer. */
  it.each([['upright', 1], ['turned', 6]] as const)('leaves no buffer of its size behind: %s', (_, orientation) => {
    const [width, height] = [6000, 6000]
    const folder = path.join(root, `huge-${orientation}`)
    const one: Box[][] = [[[100, 100, 5899, 5899]]]
    writeFrames(folder, one, () => [16, 16])
    const jpeg = Buffer.from(loadAddon().encodeJpeg(new Uint8Array(width * height * 3).fill(90), width, height, { quality: 60, subsampling: '420', format: 'bgr' }))
    const exif = Buffer.from(`457869660000${'4d4d002a00000008'}0001${`01120003000000010${'00'}${orientation}`}000000000000`, 'hex')
    writeFileSync(framePath(folder, 0, 0), Buffer.concat([jpeg.subarray(0, 2), Buffer.from([0xff, 0xe1, 0, exif.length + 2]), exif, jpeg.subarray(2)]))
    const script = withLoader(`
      const { readFileSync } = await import('node:fs')
      const megabytes = (key) => Number(new RegExp(key + ':\\\\s*(\\\\d+) kB').exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1000
      await loader.close()
      const before = megabytes('VmRSS')
      const other = loadAddon().createLoader(spec)
      for (const tensor of Object.values((await other.next()).tensors)) tensor.dispose()
      while (other.stats().queueDepthBatches < 1) await new Promise((resolve) => setTimeout(resolve, 5))
      console.log(JSON.stringify({ peak: megabytes('VmHWM') - before, left: megabytes('VmRSS') - before, skipped: other.stats().skipped }))
      await other.close()`)
    const spec = loaderSpec([indexOf(folder, one)], { batchSize: 1, queueBatches: 1, rememberMeans: false, samplesPerEpoch: 1000 })
    const { status, stdout, stderr } = runWithLoader(spec, script, 120_000)
    rmSync(folder, { recursive: true })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const { peak, left, skipped } = JSON.parse(stdout) as { peak: number; left: number; skipped: number }
    expect(skipped).toBe(0)
    expect(peak).toBeGreaterThan(100) // so it did need a buffer of that size
    expect(left).toBeLessThan(50)
  })
})
