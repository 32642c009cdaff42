/** pretrain_model_path of backbone and task model, from files of several kinds into models of configurations. */
import { createHash } from 'node:crypto'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { PyDict, readCheckpoint } from '../../lib/checkpoint/index.ts'
import { loadConfig } from '../../lib/config/index.ts'
import { buildModel } from '../../lib/engine/builders.ts'
import { describePretrained } from '../../lib/engine/pretrained.ts'
import type { Model } from '../../lib/engine/model.ts'
import type { NamedRawTensor } from '../../lib/native/addon.ts'
import { floats, safetensorsBytes, zipBytes } from '../helpers/checkpoint-files.ts'
import { smallYaml, yamlFile } from '../helpers/config.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { shared } from '../helpers/shared.ts'

const folder = temporaryFolder('pretrained')
afterAll(() => removeFolder(folder))

const backboneKey = 'train.track.model.backbone.TinyConv.pretrain_model_path'
const networkKey = 'train.track.model.task_model.SiamTrack.pretrain_model_path'
const zip = shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl')

async function build(...overrides: string[]): Promise<{ model: Model; said: string[] }> {
  const said: string[] = []
  return { model: await buildModel(await loadConfig(yamlFile(smallYaml), overrides), { log: (line) => said.push(line) }), said }
}

/** The original's snapshot: names and tensors. */
const original = async (): Promise<PyDict> => ((await readCheckpoint(zip)).root as PyDict).get('model_state_dict') as PyDict

async function write(name: string, table: PyDict): Promise<string> {
  const file = path.join(folder, name)
  writeFileSync(file, name.endsWith('.safetensors') ? await safetensorsBytes(table) : await zipBytes(table))
  return file
}

async function renamed(rename: (name: string) => string | undefined): Promise<PyDict> {
  const entries = [...(await original())].map(([name, tensor]) => [rename(name as string), tensor] as const)
  return PyDict.ordered(entries.filter((entry): entry is [string, (typeof entry)[1]] => entry[0] !== undefined))
}

const stripped = (name: string): string | undefined => (name.startsWith('basemodel.') ? name.slice('basemodel.'.length) : undefined)

/** Which tensors of the model equal the original's. */
async function equalOnes(model: Model): Promise<string[]> {
  const table = await original()
  const state = await model.stateDict()
  const equal = ({ name, data }: NamedRawTensor): boolean => Buffer.compare(data, (table.get(name) as ReturnType<typeof floats>).contiguousBytes()) === 0
  return state.filter(equal).map(({ name }) => name)
}

/** Names of the model with these beginnings, without those that random weights have as well (zeros and ones). */
const isRandom = (name: string): boolean => /conv\.weight$|running_/.test(name)

async function loadedRandomOnes(model: Model): Promise<string[]> {
  return (await equalOnes(model)).filter(isRandom)
}

const names = (await original()).size === 108 ? [...(await original()).keys()].map(String) : []
const backboneNames = names.filter((name) => name.startsWith('basemodel.'))

describe('pretrain_model_path of the backbone', () => {
  it.each([
    ['its own names', 'own.pth', stripped, 0],
    ['safetensors', 'own.safetensors', stripped, 0],
    ['module. before each', 'module.pth', (name: string) => (stripped(name) === undefined ? undefined : `module.${stripped(name)}`), 0],
    ['a whole network', 'network.pth', (name: string) => name, 108 - 35],
    ['a whole network of DataParallel', 'parallel.pth', (name: string) => `module.${name}`, 108 - 35],
  ])('%s', async (_, file, rename, left) => {
    const at = await write(file, await renamed(rename))
    const { model, said } = await build(`${backboneKey}=${at}`)
    expect(model.pretrained).toEqual([
      { key: backboneKey, file: at, md5: createHash('md5').update(readFileSync(at)).digest('hex'), part: 'backbone', loaded: backboneNames, missing: [], mismatched: [], unexpected: expect.any(Array) },
    ])
    expect(model.pretrained[0]!.unexpected).toHaveLength(left)
    expect(said).toEqual([describePretrained(model.pretrained[0]!)])
    expect(await loadedRandomOnes(model)).toEqual(backboneNames.filter(isRandom))
    model.dispose()
  })

  it('a part, and a tensor of another shape', async () => {
    const table = await renamed((name) => (name.includes('conv3b') ? undefined : stripped(name)))
    table.set('conv3a.conv.weight', floats([1, 2, 3]))
    table.set('epoch', 4)
    const at = await write('part.pth', table)
    const { model, said } = await build(`${backboneKey}=${at}`)
    expect(model.pretrained[0]).toMatchObject({
      missing: backboneNames.filter((name) => name.includes('conv3b')),
      mismatched: [{ name: 'basemodel.conv3a.conv.weight', expected: 'float32[64, 64, 3, 3]', actual: 'float32[3]' }],
      unexpected: ['epoch'],
    })
    expect(said[0]).toContain("Loaded 27 of the backbone's 35 tensors")
    expect(await loadedRandomOnes(model)).toEqual(backboneNames.filter((name) => isRandom(name) && !name.includes('conv3b') && name !== 'basemodel.conv3a.conv.weight'))
    model.dispose()
  })
})

describe('pretrain_model_path of the task model', () => {
  it.each(['tinyconv_epoch-0.pkl', 'tinyconv_epoch-0.legacy.pkl'])("the original's %s", async (name) => {
    const at = path.join(folder, name)
    copyFileSync(shared('golden', 'ckpt', name), at)
    const { model } = await build(`${networkKey}=${at}`)
    expect(model.pretrained).toMatchObject([{ key: networkKey, part: 'network', loaded: names, missing: [], mismatched: [], unexpected: [] }])
    expect(await equalOnes(model)).toEqual(names)
    model.dispose()
  })

  it("is loaded after the backbone's and over it", async () => {
    const other = await renamed(stripped)
    for (const [name, tensor] of other) other.set(name, floats(Array.from({ length: (tensor as ReturnType<typeof floats>).toFloat64().length }, () => 0.25), [...(tensor as ReturnType<typeof floats>).shape]))
    for (const name of other.keys()) if (String(name).endsWith('num_batches_tracked')) other.delete(name)
    const file = await write('quarter.pth', other)
    const partial = await write('half.pth', await renamed((name) => (name.startsWith('basemodel.conv1.') ? name : undefined)))
    const { model, said } = await build(`${backboneKey}=${file}`, `${networkKey}=${partial}`)
    expect(model.pretrained.map(({ part, loaded, missing }) => [part, loaded.length, missing.length])).toEqual([['backbone', 30, 0], ['network', 7, 101]])
    expect(said).toHaveLength(2)
    const state = new Map((await model.stateDict()).map((tensor) => [tensor.name, tensor]))
    expect(await loadedRandomOnes(model)).toEqual(names.filter((name) => name.startsWith('basemodel.conv1.') && isRandom(name)))
    expect(new Set(new Float32Array(state.get('basemodel.conv3a.conv.weight')!.data.slice().buffer))).toEqual(new Set([0.25]))
    model.dispose()
  })
})

describe('is refused with file and key', () => {
  it.each([
    ['a missing file', '/nowhere/w.pkl', backboneKey, 'ERR_IO', /nowhere|no such/i],
    ['another network', 'other.pth', backboneKey, 'ERR_CHECKPOINT', /nothing of this file fits the backbone .*the file has layer\.weight, layer\.bias; the model has basemodel\.conv1/],
    ['other shapes', 'shapes.pth', backboneKey, 'ERR_CHECKPOINT', /nothing of this file fits the backbone .*other shapes: basemodel\.conv1\.conv\.weight is float32\[1\] where the model has float32\[32, 3, 3, 3\]/],
    ['an empty file', 'empty.pth', networkKey, 'ERR_CHECKPOINT', /nothing of this file fits the network/],
    ["a backbone's file for the network", 'own2.pth', networkKey, 'ERR_CHECKPOINT', /nothing of this file fits the network/],
    ['no checkpoint', 'text.pth', networkKey, 'ERR_CHECKPOINT', /the pretrained weights of /],
  ])('%s', async (_, name, key, code, message) => {
    const file = path.resolve(folder, name)
    if (name === 'other.pth') await write(name, PyDict.ordered([['layer.weight', floats([1])], ['layer.bias', floats([1])]]))
    if (name === 'shapes.pth') await write(name, PyDict.ordered([['conv1.conv.weight', floats([1])]]))
    if (name === 'empty.pth') await write(name, PyDict.ordered([]))
    if (name === 'own2.pth') await write(name, await renamed(stripped))
    if (name === 'text.pth') writeFileSync(file, 'these are no weights')
    const error = await build(`${key}=${file}`).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code, file, message: expect.stringMatching(message) })
    expect((error as Error).message + (error as { hint?: string }).hint).toContain(key)
    if (name === 'own2.pth') expect(error).toMatchObject({ hint: expect.stringContaining('model.backbone.X.pretrain_model_path') })
  })

  it('loaded also when nobody wants to hear of it', async () => {
    const config = await loadConfig(yamlFile(smallYaml), [`${networkKey}=${zip}`])
    using model = await buildModel(config)
    expect(await equalOnes(model)).toHaveLength(names.length)
    expect(model.pretrained).toMatchObject([{ key: networkKey, file: zip, missing: [], mismatched: [] }])
    await expect(buildModel(await loadConfig(yamlFile(smallYaml), [`${networkKey}=nowhere.pkl`]))).rejects.toMatchObject({
      code: 'ERR_IO',
      message: expect.stringContaining(`${networkKey}, taken from the working directory ${process.cwd()}: `),
      hint: expect.stringContaining('random weights'),
    })
  })

  it('and not looked at when a snapshot follows', async () => {
    const config = await loadConfig(yamlFile(smallYaml), [`${backboneKey}=/nowhere/w.pkl`])
    const model = await buildModel(config, { pretrained: false })
    expect(model.pretrained).toEqual([])
    model.dispose()
  })
})
