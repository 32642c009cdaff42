/** Program: follows the bag with trained TinyConv over frames 2 to LAST, in every precision. Writes {"fp32": boxes, …} to stdout. */
import { loadConfig } from '../../lib/config/index.ts'
import { buildTracker } from '../../lib/tracking/build.ts'
import type { Box } from '../../lib/tracking/tracker.ts'
import { shared } from './shared.ts'

const last = Number(process.argv[2])
const frame = (i: number): string => shared('data', 'vot-bag', `${String(i).padStart(8, '0')}.jpg`)
const config = await loadConfig(shared('reference-configs', 'train', 'got10k', 'siamfcpp_tinyconv-trn.yaml'))
const found: Record<string, Box[]> = {}
for (const precision of ['fp32', 'bf16', 'int8'] as const) {
  using tracker = await buildTracker(config, { weights: shared('golden', 'ckpt', 'tinyconv_epoch-0.pkl'), precision, threads: 1 })
  await tracker.init(frame(1), [312.642, 146.888, 106.131, 96.414])
  const boxes: Box[] = []
  for (let i = 2; i <= last; i += 1) boxes.push((await tracker.update(frame(i))).box)
  found[precision] = boxes
}
console.log(JSON.stringify(found))
