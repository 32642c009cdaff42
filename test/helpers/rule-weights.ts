/** Weights by the golden material's rule (its README): a function of a tensor's place in the state dict and the element's index, no file. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { NamedRawTensor } from '../../lib/native/addon.ts'
import { shared } from './shared.ts'
import { goldenTensors } from './golden.ts'

export interface Architecture {
  state_dict: [name: string, shape: number[], dtype: string][]
  parameters_in_order: string[]
  backbone: string
  yaml: string
}

/** golden/state_dicts.json: names, shapes and dtypes of every architecture, in the original's order. */
export function architecture(name: string): Architecture {
  const all = JSON.parse(readFileSync(shared('golden', 'state_dicts.json'), 'utf8')) as Record<string, Architecture>
  const found = all[name]
  if (found === undefined) throw new Error(`no architecture ${name} among ${Object.keys(all).join(', ')}`)
  return found
}

function uniform(i: number, j: number): number {
  let x = (Math.imul(j, 2654435761) + Math.imul(i, 2246822519) + 3266489917) >>> 0
  x = (x ^ (x >>> 16)) >>> 0
  x = Math.imul(x, 0x7feb352d) >>> 0
  x = (x ^ (x >>> 15)) >>> 0
  x = Math.imul(x, 0x846ca68b) >>> 0
  x = (x ^ (x >>> 16)) >>> 0
  return (x >>> 8) / 16777216
}

/** @returns the state dict of the architecture filled by the rule */
export function ruleWeights(name: string): NamedRawTensor[] {
  const { state_dict: entries, backbone } = architecture(name)
  const names = new Set(entries.map(([entry]) => entry))
  return entries.map(([entry, shape, dtype], i) => {
    const numel = shape.reduce((product, size) => product * size, 1)
    if (dtype === 'int64') return { name: entry, dtype: 'int64', shape, data: new Uint8Array(8 * numel) }
    const values = new Float32Array(numel)
    const value = valueRule(entry, shape, names, backbone)
    for (let j = 0; j < numel; j++) values[j] = value(uniform(i, j))
    return { name: entry, dtype: 'float32', shape, data: new Uint8Array(values.buffer) }
  })
}

function valueRule(entry: string, shape: number[], names: Set<string>, backbone: string): (u: number) => number {
  if (entry === 'head.bi') return () => 1.5
  if (entry === 'head.si') return () => 0.5
  if (shape.length === 4) {
    const fanIn = shape[1]! * shape[2]! * shape[3]!
    const raw = shape[1] === 3 && (backbone === 'AlexNet' || backbone === 'TinyConv')
    const output = /^head\.(cls_score|ctr_score|bbox_offsets)_p5\.conv\.weight$/.test(entry)
    const gain = raw ? 1 / 128 : output ? 0.1 : 1
    return (u) => (2 * u - 1) * Math.sqrt(6 / fanIn) * gain
  }
  if (entry.endsWith('.running_mean')) return (u) => (2 * u - 1) * 0.1
  if (entry.endsWith('.running_var')) return (u) => 0.5 + u
  const norm = names.has(entry.replace(/\.(weight|bias)$/, '.running_mean'))
  if (entry.endsWith('.weight')) return (u) => 0.75 + 0.5 * u
  return norm ? (u) => (2 * u - 1) * 0.2 : (u) => (2 * u - 1) * 0.1
}

/** sha256 over all tensors' bytes in order, as rule_check.json has it. */
export function sha256Of(tensors: NamedRawTensor[]): string {
  const hash = createHash('sha256')
  for (const tensor of tensors) hash.update(tensor.data)
  return hash.digest('hex')
}

/** The rule's weights with the running statistics of golden/bnstats_<architecture> in place: what every "eval.*" value was computed with. */
export function ruleWeightsWithStatistics(name: string): NamedRawTensor[] {
  const statistics = goldenTensors(`bnstats_${name}.safetensors`)
  return ruleWeights(name).map((tensor) => statistics.get(tensor.name) ?? tensor)
}
