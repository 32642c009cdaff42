/** Runs the addon's BatchNorm, ReLU and pooling forward and backward, for comparison with the reference. */
import type { DType, NativeTensor } from '../../lib/native/addon.ts'
import { loadAddon } from '../../lib/native/load.ts'
import { floatsOf, pooledSize, rawFloats, sixtyFourths, type NormProblem, type NormValues } from './norm-reference.ts'

export interface NormRun {
  y: Float32Array
  dx: Float32Array
  dWeight: Float32Array
  dBias: Float32Array
  dOffset: Float32Array
  runningMean: Float32Array
  runningVar: Float32Array
}

export function gradientOfNorm({ size: [n, c, h, w], pool }: NormProblem): Float32Array {
  return sixtyFourths(n * c * pooledSize(h, pool) * pooledSize(w, pool), 99)
}

export async function runNorm(problem: NormProblem, values: NormValues, device: string, dtype: DType, memoryFormat: 'contiguous' | 'channels_last' = 'channels_last'): Promise<NormRun> {
  const addon = loadAddon()
  const [n, c, h, w] = problem.size
  const made: NativeTensor[] = []
  const upload = (array: Float32Array, shape: number[], requiresGrad: boolean): NativeTensor => {
    const tensor = addon.tensorFrom(rawFloats(array, shape), device, { requiresGrad })
    made.push(tensor)
    return tensor
  }
  const read = async (tensor: NativeTensor): Promise<Float32Array> => floatsOf(await tensor.toBytes())
  const gradient = async (tensor: NativeTensor): Promise<Float32Array> => floatsOf((await tensor.gradient())!.data)
  const x = upload(values.x, [n, c, h, w], true)
  const [weight, bias, offset] = [values.weight, values.bias, values.offset].map((array) => upload(array, [c], true)) as [NativeTensor, NativeTensor, NativeTensor]
  const [runningMean, runningVar] = [values.runningMean, values.runningVar].map((array) => upload(array, [c], false)) as [NativeTensor, NativeTensor]
  const cast = await addon.castTensor(x, dtype, memoryFormat)
  // In eval mode the convolution adds its bias itself.
  const state = problem.training ? { weight, bias, runningMean, runningVar, offset } : { weight, bias, runningMean, runningVar }
  const y = await addon.normAct(cast, state, problem)
  const wide = await addon.castTensor(y, 'float32', 'contiguous')
  made.push(cast, y, wide)
  const result = await read(wide)
  await addon.backward(wide, upload(gradientOfNorm(problem), wide.shape, false))
  const run = {
    y: result,
    dx: await gradient(x),
    dWeight: await gradient(weight),
    dBias: await gradient(bias),
    dOffset: problem.training ? await gradient(offset) : new Float32Array(c),
    runningMean: await read(runningMean),
    runningVar: await read(runningVar),
  }
  for (const tensor of made) tensor.dispose()
  return run
}
