/** DenseboxHead in every configuration that the original's files use: shapes, layers, and where the cells of its score map lie. */
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../lib/config/index.ts'
import type { HeadSpec, NativeModel } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { readFloats } from '../helpers/golden-models.ts'
import { shared } from '../helpers/shared.ts'
import { tinySpec } from '../helpers/tiny-model.ts'

const addon = loadAddon()
type HeadOfFile = Pick<HeadSpec, 'totalStride' | 'scoreSize' | 'xSize' | 'numConv3x3' | 'headConvBn' | 'inputSizeAdapt'>

/** The distinct heads of all reference files, train and test. */
async function headsOfFiles(): Promise<Map<string, HeadOfFile>> {
  const folder = shared('reference-configs')
  const heads = new Map<string, HeadOfFile>()
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => /^(train|test)\/.*\.yaml$/.test(file))) {
    const config = await loadConfig(path.join(folder, name), [], { onWarning: () => {} })
    for (const part of [config.train, config.test]) {
      const head = part?.track?.model?.task_head.DenseboxHead
      if (head === undefined) continue
      const { total_stride: totalStride, score_size: scoreSize, x_size: xSize, num_conv3x3: numConv3x3, head_conv_bn: headConvBn, input_size_adapt: inputSizeAdapt } = head
      const spec = { totalStride, scoreSize, xSize, numConv3x3, headConvBn: [...headConvBn], inputSizeAdapt }
      heads.set(JSON.stringify(spec), spec)
    }
  }
  return heads
}

/** TinyConv with this head. The head's si and bi are 0, so that every distance is exp(0) · 8 px. */
async function modelOf(head: HeadOfFile): Promise<NativeModel> {
  const model = await addon.createModel(tinySpec({ head: { ...head, headWidth: 64, convWeightStd: 1e-4 }, corrFeaOutput: true }))
  const scalar = (name: string) => ({ name, dtype: 'float32' as const, shape: [], data: new Uint8Array(4) })
  await model.loadStateDict([scalar('head.si'), scalar('head.bi')])
  model.setTraining(false)
  return model
}

const image = (size: number) => addon.tensorFrom({ dtype: 'uint8', shape: [1, 3, size, size], data: Uint8Array.from({ length: 3 * size * size }, (_, i) => (i * 37) % 251) }, 'cpu')

/** The first cell's centre and the last one's, out of boxes that reach 8 px from their centres. */
async function corners(model: NativeModel, xSize: number, scoreSize: number): Promise<[number, number]> {
  const { cls_pred: cls, ctr_pred: ctr, box_pred: box, corr_fea: features } = await model.forward(image(127), image(xSize))
  const cells = scoreSize * scoreSize
  expect([cls!.shape, ctr!.shape, box!.shape, features!.shape]).toEqual([[1, cells, 1], [1, cells, 1], [1, cells, 4], [1, 64, scoreSize, scoreSize]])
  const values = await readFloats(box!)
  const centre = (cell: number, axis: 0 | 1): number => {
    const [low, high] = [values[4 * cell + axis]!, values[4 * cell + 2 + axis]!]
    expect(high - low).toBe(16)
    return low + 8
  }
  // Row by row: the cells of a row differ in x alone.
  expect([centre(scoreSize - 1, 1), centre(cells - scoreSize, 0)]).toEqual([centre(0, 1), centre(0, 0)])
  expect([centre(0, 1), centre(cells - 1, 1)]).toEqual([centre(0, 0), centre(cells - 1, 0)])
  return [centre(0, 0), centre(cells - 1, 0)]
}

beforeAll(async () => {
  await addon.setThreads(1)
})

describe('DenseboxHead', async () => {
  const heads = await headsOfFiles()

  it('the files have these heads', () => {
    expect([...heads.values()].map(({ xSize, scoreSize, numConv3x3, headConvBn, inputSizeAdapt }) => [xSize, scoreSize, numConv3x3, headConvBn.join(), inputSizeAdapt].join(' ')).toSorted()).toEqual([
      '289 17 2 false,false false', '303 17 3 false,false,true false', '303 19 2 false,false false', '303 19 2 false,false true',
    ])
  })

  // The first cell's centre, (x_size − 1 − (score_size − 1)·8) / 2, worked out by hand.
  const firstCentre: Record<string, number> = { '289 17': 80, '303 17': 87, '303 19': 79 }

  it.each([...heads])('%s', async (_text, head) => {
    const model = await modelOf(head)
    const names = model.describe().map(({ name }) => name)
    for (let i = 1; i <= 3; i += 1) {
      for (const branch of ['cls', 'bbox']) {
        expect(names.includes(`head.${branch}_p5_conv${i}.conv.weight`)).toBe(i <= head.numConv3x3)
        expect(names.includes(`head.${branch}_p5_conv${i}.bn.weight`)).toBe(i <= head.numConv3x3 && head.headConvBn[i - 1] === true)
      }
    }
    const first = firstCentre[`${head.xSize} ${head.scoreSize}`]!
    expect(await corners(model, head.xSize, head.scoreSize)).toEqual([first, first + 8 * (head.scoreSize - 1)])
    model.dispose()
  })

  it('takes other search sizes with input_size_adapt, and only then', async () => {
    const head = [...heads.values()].find(({ inputSizeAdapt }) => inputSizeAdapt)!
    const adapting = await modelOf(head)
    expect(await corners(adapting, 335, 23)).toEqual([79, 79 + 8 * 22])
    adapting.dispose()
    const fixed = await modelOf({ ...head, inputSizeAdapt: false })
    await expect(fixed.forward(image(127), image(335))).rejects.toMatchObject({ code: 'ERR_SHAPE', message: expect.stringContaining('19x19 (score_size)') })
    fixed.dispose()
  })
})
