/** TorchScript files that cannot be a backbone: each is an error that names the file and says what was expected; none ends the process. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { PyDict } from '../../lib/checkpoint/index.ts'
import { loadConfig } from '../../lib/config/index.ts'
import { buildModel } from '../../lib/engine/builders.ts'
import { Model } from '../../lib/engine/model.ts'
import { SiamError } from '../../lib/errors.ts'
import { floats, zipBytes } from '../helpers/checkpoint-files.ts'
import { refusal, smallYaml, yamlFile } from '../helpers/config.ts'
import { removeFolder, temporaryFolder } from '../helpers/make-dataset.ts'
import { uniforms } from '../helpers/tiny-model.ts'
import { scriptBytes, scriptFile, scriptModel, scriptNames, scriptSpec } from '../helpers/torchscript-files.ts'

const folder = temporaryFolder('script-errors')
afterAll(() => removeFolder(folder))

async function failure(file: string, width = 16): Promise<SiamError> {
  try {
    const model = await Model.create(scriptSpec(file, {}, width))
    model.dispose()
  } catch (error) {
    if (error instanceof SiamError) return error
    throw error
  }
  throw new Error(`${file} was accepted`)
}

describe('a file that is no TorchScript', () => {
  const written = (name: string, bytes: Uint8Array | string): string => {
    const file = path.join(folder, name)
    writeFileSync(file, bytes)
    return file
  }
  const random = uniforms(5)

  it.each<[string, () => string | Promise<string>, string, RegExp]>([
    ['that is missing', () => path.join(folder, 'none.pt'), 'ERR_IO', /no such file/],
    ['that is a folder', () => (mkdirSync(path.join(folder, 'dir.pt')), path.join(folder, 'dir.pt')), 'ERR_IO', /expected a file but this is a folder/],
    ['of no bytes', () => written('empty.pt', ''), 'ERR_CHECKPOINT', /no TorchScript archive, or truncated.*torch\.jit\.script\(module\)\.save/],
    ['of text', () => written('text.pt', 'not a network'), 'ERR_CHECKPOINT', /no TorchScript archive, or truncated/],
    ['of random bytes', () => written('random.pt', Uint8Array.from({ length: 20_000 }, () => random() * 256)), 'ERR_CHECKPOINT', /no TorchScript archive, or truncated/],
    ['of weights (torch.save)', async () => written('weights.pth', await zipBytes(PyDict.fromObject({ a: floats([1]) }))), 'ERR_CHECKPOINT', /holds tensors alone \(torch\.save\)/],
    ['of a legacy pickle', () => written('legacy.pth', Buffer.concat([Buffer.from([0x80, 2, 0x8a, 10]), Buffer.alloc(200, 7)])), 'ERR_CHECKPOINT', /no TorchScript archive, or truncated/],
    ['that is another zip', () => written('other.zip', Buffer.concat([Buffer.from('PK\x05\x06'), Buffer.alloc(18)])), 'ERR_CHECKPOINT', /no TorchScript archive/],
  ])('%s', async (_, make, code, message) => {
    const file = await make()
    expect(await failure(file)).toMatchObject({ code, file, message: expect.stringMatching(message) })
  })

  it('truncated anywhere', async () => {
    const bytes = scriptBytes('small')
    for (let i = 0; i < 40; i++) {
      const size = i < 20 ? Math.floor((bytes.length * i) / 20) : bytes.length - (i - 19)
      expect(await failure(written('truncated.pt', bytes.subarray(0, size))), `${size} of ${bytes.length} bytes`).toMatchObject({ code: 'ERR_CHECKPOINT' })
    }
  })

  it('damaged anywhere: an error, or a model', async () => {
    const bytes = scriptBytes('small')
    let refused = 0
    for (let i = 0; i < 150; i++) {
      const damaged = Buffer.from(bytes)
      for (let k = 0; k < 1 + (i % 3); k++) damaged[Math.floor(random() * damaged.length)]! ^= 1 << Math.floor(random() * 8)
      const file = written('damaged.pt', damaged)
      const outcome = await scriptModel(file).catch((error: unknown) => error)
      if (outcome instanceof Model) outcome.dispose()
      else {
        refused++
        expect(outcome).toBeInstanceOf(SiamError)
        expect(['ERR_CHECKPOINT', 'ERR_SHAPE', 'ERR_TORCH']).toContain((outcome as SiamError).code)
        expect((outcome as SiamError).message).not.toContain('\n')
      }
    }
    expect(refused).toBeGreaterThan(100)
  })
})

describe('a module', () => {
  const cases: [string, string, RegExp][] = [
    ['no_forward', 'ERR_CHECKPOINT', /the module has no forward\(\)/],
    ['two', 'ERR_CHECKPOINT', /expected forward\(x: Tensor\) but the module has forward\(x: Tensor, y: Tensor\)/],
    ['takes', 'ERR_CHECKPOINT', /expected forward\(x: Tensor\) but the module has forward\(x: Tuple\[Tensor, Tensor\]\)/],
    ['pair', 'ERR_SHAPE', /expected forward\(\) to return one tensor \[N,C,H,W\] but received Tuple\[Tensor, Tensor\]/],
    ['flat', 'ERR_SHAPE', /expected forward\(\) of Float\[2,3,127,127\] to return Float\[2,C,H,W\] but received Float\[2,3600\]/],
    ['integers', 'ERR_SHAPE', /to return Float\[2,C,H,W\] but received Int\[2,16,15,15\]/],
    ['one_sample', 'ERR_SHAPE', /to return Float\[2,C,H,W\] but received Float\[1,16,15,15\]/],
    ['oblong', 'ERR_SHAPE', /expected square features of a square image of 127x127 but received Float\[2,16,14,15\]/],
    ['raises', 'ERR_TORCH', /forward\(\) failed on Float\[2,3,127,127\]: ValueError: this backbone never works$/],
    ['bad_shapes', 'ERR_TORCH', /forward\(\) failed on Float\[2,3,127,127\]: The size of tensor a \(15\) must match the size of tensor b \(6\)/],
    ['greedy', 'ERR_DEVICE_OOM', /forward\(\) failed on Float\[2,3,127,127\]: .*memory/],
    ['half', 'ERR_CHECKPOINT', /expected parameters of Float \(float32\) but the parameter 'stem\.0\.weight' is Half/],
    ['shares', 'ERR_CHECKPOINT', /'part' shares a part of the memory of 'whole'/],
    ['traced_in_training', 'ERR_CHECKPOINT', /changes the buffer 'stem\.1\.running_mean' in evaluation mode.*torch\.jit\.script/],
    ['stride16', 'ERR_SHAPE', /expected a total stride of 8 \(total_stride\), but its features are 8x8 for a template of 127x127 and 13x13 for a search image of 207x207, a stride of 16\.0/],
    ['stride4', 'ERR_SHAPE', /expected a total stride of 8 .* a stride of 4\.0/],
  ]

  it.each(cases)('%s', async (name, code, message) => {
    const file = scriptFile(folder, name)
    const error = await failure(file)
    expect(error).toMatchObject({ code, file, message: expect.stringMatching(message) })
    expect(error.message).not.toContain('\n')
  })

  it('of another width than the head', async () => {
    const file = scriptFile(folder, 'small')
    expect(await failure(file, 64)).toMatchObject({ code: 'ERR_CONFIG', file, message: expect.stringMatching(/expected head_width 16 \(the width of TorchScript\) in task_head and task_model but received 64 and 64/) })
  })

  it.each<[string, Partial<ReturnType<typeof scriptSpec>['head']>, number, string]>([
    ['a score map that does not fit', { scoreSize: 7 }, 127, 'expected a score map of 7x7 (score_size), but its features are 15x15 for a template of 127x127 and 25x25 for a search image of 207x207, which make one of 5x5'],
    ['a template that is too small', {}, 20, 'expected features of at least 3x3 for the template, but its features are 1x1 for a template of 20x20 and 25x25 for a search image of 207x207'],
    ['a search image that is too small', { xSize: 111 }, 127, 'expected a total stride of 8 (total_stride), but its features are 15x15 for a template of 127x127 and 13x13 for a search image of 111x111'],
    ['another stride in the head', { totalStride: 16 }, 127, 'expected a total stride of 16 (total_stride), but its features are 15x15 for a template of 127x127 and 25x25 for a search image of 207x207, a stride of 8.0'],
  ])('%s', async (_, head, zSize, message) => {
    const file = scriptFile(folder, 'small')
    const spec = scriptSpec(file)
    const error = await Model.create({ ...spec, backbone: { ...spec.backbone, zSize }, head: { ...spec.head, ...head } }).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'ERR_SHAPE', file, message: `TorchScript backbone: ${message}` })
  })

  it('of the fixture is used by a test', () => {
    const good = ['tinyconv', 'small', 'eval', 'tied', 'tied_tensor', 'counter', 'writes_input', 'prints', 'dropout', 'optional', 'frozen', 'traced', 'strides_of_its_own', 'fails_in_training']
    expect([...good, ...cases.map(([name]) => name)].sort()).toEqual([...scriptNames].sort())
  })
})

describe('a configuration', () => {
  const yaml = smallYaml.replace('backbone: {name: TinyConv}', 'backbone: {name: TorchScript}').replaceAll('head_width: 64', 'head_width: 16')
  const key = 'train.track.model.backbone.TorchScript.path'

  it('needs a path', async () => {
    expect((await refusal(yaml)).message).toBe(`Expected the path of a TorchScript file for ${key} but there is none`)
    expect(await refusal(yaml, [`${key}=`])).toMatchObject({ code: 'ERR_CONFIG' })
  })

  it('takes the template’s size from the data and the pipeline', async () => {
    const file = scriptFile(folder, 'small')
    const config = await loadConfig(yamlFile(yaml), [`${key}=${file}`, 'train.track.data.transformer.RandomCropTransformer.z_size=111'])
    await expect(buildModel(config)).rejects.toMatchObject({ code: 'ERR_SHAPE', file, message: expect.stringMatching(/13x13 for a template of 111x111/) })
    const model = await buildModel(await loadConfig(yamlFile(yaml), [`${key}=${file}`]))
    expect(model.spec.backbone).toEqual({ name: 'TorchScript', path: file, zSize: 127 })
    model.dispose()
  })

  it('says that a frozen module has nothing to train', async () => {
    const said: string[] = []
    const file = scriptFile(folder, 'frozen')
    const model = await buildModel(await loadConfig(yamlFile(yaml), [`${key}=${file}`]), { log: (line) => said.push(line) })
    expect(said).toEqual([`The backbone ${file} has no parameters (a frozen module?): its features stay as they are`])
    model.dispose()
  })
})
