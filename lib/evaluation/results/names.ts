/**
 * Names of sequences across toolkits. One writes `Human4.2`, others `human4_2`, `human4-2`, `Human4`, `uav_bike1`; GOT-10k's runs end in
 * `_001`. What is written alike wins over what is only similar, so that `car1_1` is never taken for `car11`, nor `-aB` for `-Ab`.
 */

/** Without case, and with one kind of separator. */
export function nameKey(name: string): string {
  return name.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, '_').replaceAll(/^_|_$/g, '')
}

function bare(name: string): string {
  return nameKey(name).replaceAll('_', '')
}

/** Toolkits that keep several benchmarks in one folder put these before the names. */
const prefixes = /^(?:uav|nfs|otb|lasot|got10k|tc128|tpl|dtb70|trackingnet)_(?=.)/

/** `_2` of `human4_2`. */
const target = /_(\d)$/

/**
 * Pairs files with sequences.
 * @param stems      names of files without their endings, each once
 * @returns sequence → stem, for those that have one
 */
export function matchNames(sequences: readonly string[], stems: readonly string[]): Map<string, string> {
  const matched = new Map<string, string>()
  const taken = new Set<string>()
  const open = (): string[] => sequences.filter((name) => !matched.has(name))
  const free = (): string[] => stems.filter((stem) => !taken.has(stem))

  /** Pairs what has the same key, where neither side has it twice. */
  function pair(ofSequence: (name: string) => string | undefined, ofStem: (stem: string) => string | undefined): void {
    const byKey = grouped(free(), ofStem)
    for (const [key, names] of grouped(open(), ofSequence)) {
      const found = byKey.get(key)
      if (names.length !== 1 || found?.length !== 1) continue
      matched.set(names[0] as string, found[0] as string)
      taken.add(found[0] as string)
    }
  }
  pair((name) => name, (stem) => stem)
  pair(nameKey, nameKey)
  pair(bare, bare)
  pair(nameKey, (stem) => nameKey(stem).replace(prefixes, ''))
  pair((name) => nameKey(name).replace(prefixes, ''), nameKey)
  // Human4 has two targets of which all use the second, so that its number is often left out.
  const withoutTarget = (name: string): string | undefined => (target.test(nameKey(name)) ? nameKey(name).replace(target, '') : undefined)
  pair(withoutTarget, nameKey)
  pair(nameKey, withoutTarget)
  return matched
}

function grouped(names: readonly string[], keyOf: (name: string) => string | undefined): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  for (const name of names) {
    const key = keyOf(name)
    if (key === undefined) continue
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [name])
    else group.push(name)
  }
  return groups
}
