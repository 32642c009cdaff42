/**
 * Names that earlier releases of the original used. Each is read as the name that it has now, with a warning that says so. Only names that
 * stood in published files are here; what nobody ever wrote stays an unknown key.
 */
import type { ConfigWarning } from './config.ts'
import { ConfigNode, pathText } from './tree.ts'
import type { MapEntry, Origin } from './tree.ts'

type Entries = Map<string, MapEntry>

/** Ours alone: a user's own trainer may call its keys as it likes. */
const trainers = 'train.track.trainer.RegularTrainer|DistributedRegularTrainer'

/** Old and new names in the maps that a pattern finds; `*` is any one key, `A|B` either. */
const renamed: readonly { at: string; names: Readonly<Record<string, string>> }[] = [
  { at: '*.track.model.backbone.Inception3', names: { amputated: 'pruned' } },
  { at: 'train.track.trainer', names: { processes: 'monitors' } },
  { at: 'train.track.trainer.monitors', names: { TrackInfo: 'TextInfo' } },
]

/** Keys that meant something once and have no successor in the file. */
const gone: readonly { at: string; key: string; instead: string }[] = [
  { at: 'train.track', key: 'device', instead: '--device chooses the device' },
  { at: trainers, key: 'devices', instead: '--device chooses the device' },
  { at: 'train.track.data', key: 'dataset_type', instead: 'there is one way of loading, which serves both' },
]

/**
 * Rewrites older names in place; files that have none are left alone. Safe to call again.
 * @param warnings one for each name that was found
 */
export function renameOlderNames(root: ConfigNode, warnings: ConfigWarning[]): void {
  const renamer = new Renamer(warnings)
  renamer.liftTracks(root)
  for (const { at, names } of renamed) {
    for (const { entries, path } of mapsAt(root, at)) for (const [old, now] of Object.entries(names)) renamer.rename(entries, path, old, now)
  }
  for (const { at, key, instead } of gone) for (const { entries, path } of mapsAt(root, at)) renamer.drop(entries, path, key, instead)
  for (const { entries, path } of mapsAt(root, 'train.track.trainer.monitors')) renamer.listedName(entries, [...path, 'names'], 'TrackInfo', 'TextInfo')
  for (const { entries, path } of mapsAt(root, 'test.track.pipeline.*')) {
    renamer.headShrink(entries, path)
    renamer.memoryShare(entries, path)
  }
  for (const { entries, path } of mapsAt(root, '*.track.data.sampler.submodules.dataset.COCODataset')) renamer.subsetToList(entries, path)
  renamer.iterations(root)
}

class Renamer {
  readonly #warnings: ConfigWarning[]

  constructor(warnings: ConfigWarning[]) {
    this.#warnings = warnings
  }

  #warn(path: readonly string[], origin: Origin, message: string): void {
    this.#warnings.push({ message, path: pathText(path), file: origin.file, line: origin.line })
  }

  #renamed(path: readonly string[], origin: Origin, now: string): void {
    this.#warn(path, origin, `${pathText(path)} is an older name; it is read as ${now}`)
  }

  /** The first files had `track:` for what is now test.track, and the sections of training right below `train:`. */
  liftTracks(root: ConfigNode): void {
    const top = entriesOf(root)
    const track = top?.get('track')
    if (top !== undefined && track !== undefined && !top.has('test')) {
      top.delete('track')
      top.set('test', { node: new ConfigNode({ kind: 'map', entries: new Map([['track', track]]) }, track.origin), origin: track.origin })
      this.#renamed(['track'], track.origin, 'test.track')
    }
    const train = top?.get('train')
    const sections = train === undefined ? undefined : entriesOf(train.node)
    if (train !== undefined && sections !== undefined && !sections.has('track') && !sections.has('vos') && ['model', 'data', 'trainer', 'optim'].some((key) => sections.has(key))) {
      const node = new ConfigNode(train.node.content, train.node.origin)
      train.node.content = { kind: 'map', entries: new Map([['track', { node, origin: train.origin }]]) }
      this.#renamed(['train'], train.origin, 'train.track')
    }
  }

  /** Where both names stand, the new one holds. @param share what stands before the new name in the warning */
  rename(entries: Entries, path: readonly string[], old: string, now: string, share = ''): void {
    const entry = entries.get(old)
    if (entry === undefined) return
    entries.delete(old)
    const both = entries.has(now)
    if (!both) entries.set(now, entry)
    this.#warn([...path, old], entry.origin, `${pathText([...path, old])} is an older name of ${share}${now}${both ? ', which stands beside it and holds' : '; it is read as that'}`)
  }

  drop(entries: Entries, path: readonly string[], key: string, instead: string): void {
    const entry = entries.get(key)
    if (entry === undefined) return
    entries.delete(key)
    this.#warn([...path, key], entry.origin, `${pathText([...path, key])} is a key of older files and is not used; ${instead}`)
  }

  /** A component's old name in the list `names`. */
  listedName(entries: Entries, path: readonly string[], old: string, now: string): void {
    const list = entries.get('names')?.node.content
    if (list?.kind !== 'seq') return
    for (const item of list.items) {
      if (item.content.kind !== 'scalar' || item.content.value !== old) continue
      item.content = { kind: 'scalar', value: now }
      this.#warn(path, item.origin, `${old} in ${pathText(path)} is an older name; it is read as ${now}`)
    }
  }

  /** `head_shrink` counted the cells that the 3×3 convolutions take off the score map, two for each. */
  headShrink(entries: Entries, path: readonly string[]): void {
    const entry = entries.get('head_shrink')
    const shrink = entry === undefined ? undefined : numberOf(entry.node)
    if (entry === undefined || shrink === undefined || shrink < 2 || shrink % 2 !== 0) return
    entry.node = scalar(shrink / 2, entry.node.origin)
    this.rename(entries, path, 'head_shrink', 'num_conv3x3')
  }

  /** `st_mem_coef` was the first template's share of the score; `mem_coef` is that of the others. */
  memoryShare(entries: Entries, path: readonly string[]): void {
    for (const suffix of ['', '_hpo_range']) {
      const entry = entries.get(`st_mem_coef${suffix}`)
      if (entry === undefined) continue
      const { content } = entry.node
      // A range keeps its ends in order.
      if (content.kind === 'seq') entry.node = new ConfigNode({ kind: 'seq', items: content.items.map(complement).toReversed() }, entry.node.origin)
      else entry.node = complement(entry.node)
      this.rename(entries, path, `st_mem_coef${suffix}`, `mem_coef${suffix}`, '1 − ')
    }
  }

  /** COCO had one `subset` before it had `subsets`. */
  subsetToList(entries: Entries, path: readonly string[]): void {
    const entry = entries.get('subset')
    if (entry === undefined) return
    if (entry.node.content.kind === 'scalar') entry.node = new ConfigNode({ kind: 'seq', items: [entry.node] }, entry.node.origin)
    this.rename(entries, path, 'subset', 'subsets')
  }

  /**
   * The length of an epoch was a number of iterations, `num_iterations` of the trainer and `max_iter` of every lr_policy phase, before it
   * became a number of pairs: that is iterations × minibatch, with the minibatch of `data`.
   */
  iterations(root: ConfigNode): void {
    const data = mapsAt(root, 'train.track.data')[0]
    const minibatchNode = data?.entries.get('minibatch')
    const minibatch = minibatchNode === undefined ? undefined : numberOf(minibatchNode.node)
    if (data === undefined || minibatchNode === undefined || minibatch === undefined) return
    const pairs = (entries: Entries, iterations: number, origin: Origin): void => {
      if (!entries.has('minibatch')) entries.set('minibatch', minibatchNode)
      entries.set('nr_image_per_epoch', { node: scalar(iterations * minibatch, origin), origin })
    }
    for (const { entries, path } of mapsAt(root, trainers)) {
      const entry = entries.get('num_iterations')
      const count = entry === undefined ? undefined : numberOf(entry.node)
      if (entry === undefined || count === undefined || entries.has('nr_image_per_epoch')) continue
      entries.delete('num_iterations')
      pairs(entries, count, entry.origin)
      // The data set was longer than what the trainer took of it; its pairs are drawn at random, so the rest is not missed.
      pairs(data.entries, count, entry.origin)
      this.#warn([...path, 'num_iterations'], entry.origin, `${pathText([...path, 'num_iterations'])} is an older name; it is read as nr_image_per_epoch: ${count * minibatch}, ${count} minibatches of ${minibatch}, for trainer and data`)
    }
    for (const { entries, path } of mapsAt(root, 'train.track.optim.optimizer.SGD')) {
      const phases = entries.get('lr_policy')?.node.content
      if (phases?.kind !== 'seq' || entries.has('nr_image_per_epoch')) continue
      const found = phases.items.map((item) => entriesOf(item)?.get('max_iter'))
      const counts = new Set(found.map((entry) => (entry === undefined ? undefined : numberOf(entry.node))))
      const [count] = counts
      const first = found[0]
      // Phases of different lengths have no counterpart now: they stay what they are, and the phases' check speaks.
      if (counts.size !== 1 || count === undefined || first === undefined) continue
      for (const item of phases.items) entriesOf(item)?.delete('max_iter')
      pairs(entries, count, first.origin)
      this.#warn([...path, 'lr_policy', '0', 'max_iter'], first.origin, `max_iter in ${pathText([...path, 'lr_policy'])} is an older name; it is read as ${pathText(path)}.nr_image_per_epoch: ${count * minibatch}, ${count} minibatches of ${minibatch}`)
    }
  }
}

/** Maps that a dotted pattern finds, each once: one that an anchor shares is changed, and told, at its first place. */
function mapsAt(root: ConfigNode, pattern: string): { entries: Entries; path: string[] }[] {
  let level: { node: ConfigNode; path: string[] }[] = [{ node: root, path: [] }]
  for (const part of pattern.split('.')) {
    level = level.flatMap(({ node, path }) => {
      const entries = entriesOf(node)
      if (entries === undefined) return []
      const keys = part === '*' ? [...entries.keys()] : part.split('|')
      return keys.flatMap((key) => {
        const entry = entries.get(key)
        return entry === undefined ? [] : [{ node: entry.node, path: [...path, key] }]
      })
    })
  }
  const seen = new Set<Entries>()
  return level.flatMap(({ node, path }) => {
    const entries = entriesOf(node)
    if (entries === undefined || seen.has(entries)) return []
    seen.add(entries)
    return [{ entries, path }]
  })
}

function entriesOf(node: ConfigNode): Entries | undefined {
  return node.content.kind === 'map' ? node.content.entries : undefined
}

function numberOf(node: ConfigNode): number | undefined {
  return node.content.kind === 'scalar' && typeof node.content.value === 'number' ? node.content.value : undefined
}

function scalar(value: number, origin: Origin): ConfigNode {
  return new ConfigNode({ kind: 'scalar', value }, origin)
}

/** 1 − a number; anything else is left for the schema to speak of. */
function complement(node: ConfigNode): ConfigNode {
  const value = numberOf(node)
  return value === undefined ? node : scalar(Number((1 - value).toFixed(12)), node.origin)
}
