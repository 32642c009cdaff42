/**
 * A process that runs out of memory in the middle of a forward pass: prints the error's code, then shows that it still works.
 * Its address space is limited once all threads are there, so that only the pass's own tensors do not fit.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { SiamError } from '../../lib/errors.ts'
import { loadAddon } from '../../lib/native/load.ts'

const addon = loadAddon()
const model = await addon.createModel({
  backbone: { name: 'TinyConv' },
  head: { totalStride: 8, scoreSize: 17, xSize: 303, numConv3x3: 3, headConvBn: [false, false, true], headWidth: 64, convWeightStd: 1e-4, inputSizeAdapt: false },
  headWidth: 64, convWeightStd: 0.01, corrFeaOutput: false, precision: 'fp32', memoryFormat: 'channels_last', device: 'cpu', seed: 0,
})

function images(count: number, size: number) {
  return addon.tensorFrom({ dtype: 'uint8', shape: [count, 3, size, size], data: new Uint8Array(count * 3 * size * size) }, 'cpu')
}

async function pass(count: number): Promise<number> {
  const predictions = await model.forward(images(count, 127), images(count, 303))
  return predictions.cls_pred!.shape[0]!
}

await pass(2)
const usedKilobytes = Number(/VmSize:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1])
execFileSync('prlimit', ['--pid', String(process.pid), `--as=${(usedKilobytes + 400_000) * 1024}`])
const outcome = await pass(96).then(
  () => 'no error',
  (error: unknown) => (error instanceof SiamError ? `${error.code} ${error.message}` : String(error)),
)
process.stdout.write(`${outcome}\nthen ${await pass(2)}\n`)
